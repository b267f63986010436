//! Images and documents: what a file is, and what a model counts it as at most.

use std::fmt;
use std::sync::Arc;

use imagesize::ImageType;

/// The marker of a PDF stands within so many bytes of its beginning.
const PDF_HEAD: usize = 1_024;

/// A file's bytes, shared with whoever holds them already: they are large.
#[derive(Clone)]
pub struct Bytes(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl Bytes {
    /// What `held` holds, which is kept for as long.
    pub fn new(held: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(held))
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} bytes", self.as_slice().len())
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Bytes {}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Here.
    Data {
        /// What it is, as [`look`] found it.
        media_type: String,
        /// The file.
        bytes: Bytes,
        /// How wide and how high an image is, in pixels.
        size: Option<(u32, u32)>,
    },
    /// Where the provider is to fetch it.
    Url(String),
}

/// What a file shows itself to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// One of the media types that a request may hold.
    pub media_type: &'static str,
    /// How wide and how high it is, in pixels; nothing for a document.
    pub size: Option<(u32, u32)>,
}

/// What a file is by its own bytes; `None` for what a request may not hold, or is broken.
#[must_use]
pub fn look(bytes: &[u8]) -> Option<Look> {
    let head = bytes.get(..PDF_HEAD).unwrap_or(bytes);
    if head.windows(5).any(|window| window == b"%PDF-") {
        return Some(Look { media_type: "application/pdf", size: None });
    }
    let media_type = match imagesize::image_type(bytes).ok()? {
        ImageType::Png => "image/png",
        ImageType::Jpeg => "image/jpeg",
        ImageType::Gif => "image/gif",
        ImageType::Webp => "image/webp",
        _ => return None,
    };
    let size = imagesize::blob_size(bytes).ok()?;
    let (width, height) = (u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?);
    (width > 0 && height > 0).then_some(Look { media_type, size: Some((width, height)) })
}

/// What a model counts an image as: so much for each cell of a grid over it, and a constant.
///
/// That is the shape of every rule that providers publish: patches, tiles, or pixels to a token.
/// What they scale down first has fewer cells than counted here, and never more than `cells_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageRule {
    /// Tokens whatever its size.
    pub base_tokens: u32,
    /// Pixels along a cell's edge.
    pub cell_edge: u32,
    /// Thousandths of a token for a cell.
    pub cell_millitokens: u32,
    /// As many are counted of the smallest image.
    pub cells_min: u32,
    /// No more are counted of the largest.
    pub cells_max: u32,
}

impl ImageRule {
    /// Tokens of an image at most; one of unknown size counts as the largest.
    #[must_use]
    pub fn tokens(&self, size: Option<(u32, u32)>) -> u64 {
        let edge = self.cell_edge.max(1);
        let most = u64::from(self.cells_max);
        let cells = size.map_or(most, |(width, height)| {
            let cells = u64::from(width.div_ceil(edge)) * u64::from(height.div_ceil(edge));
            // Capped before it is multiplied, so that no width and height can overflow.
            cells.max(u64::from(self.cells_min)).min(most)
        });
        let of_cells = (cells * u64::from(self.cell_millitokens)).div_ceil(1_000);
        u64::from(self.base_tokens) + of_cells
    }
}

/// Which images a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// In one request.
    pub count_max: u32,
    /// Bytes of one file.
    pub bytes_max: u64,
    /// Pixels along an edge.
    pub edge_max: u32,
    /// What one is counted as.
    pub rule: ImageRule,
}

/// Which documents a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentLimits {
    /// In one request.
    pub count_max: u32,
    /// Bytes of one file.
    pub bytes_max: u64,
}

/// Which images and documents a model takes, and how much it reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MediaLimits {
    /// `None`: no images.
    pub images: Option<ImageLimits>,
    /// `None`: no documents.
    pub documents: Option<DocumentLimits>,
    /// Its context window, which is all that a document can fill: its pages are not counted here.
    pub context_tokens: u64,
}

impl MediaLimits {
    /// Tokens that these files are counted as at most, never more than the context window.
    ///
    /// `None` where the model does not take them: one is too large, or there are too many.
    #[must_use]
    pub fn tokens<'a>(
        &self,
        images: impl IntoIterator<Item = &'a Source>,
        documents: impl IntoIterator<Item = &'a Source>,
    ) -> Option<u64> {
        let mut tokens = 0_u64;
        for (number, image) in (1..).zip(images) {
            let limits = self.images?;
            let fits = number <= limits.count_max && limits.takes(image);
            tokens = fits.then(|| tokens.saturating_add(limits.rule.tokens(size_of(image))))?;
        }
        for (number, document) in (1..).zip(documents) {
            let limits = self.documents?;
            let fits = number <= limits.count_max && bytes_of(document) <= limits.bytes_max;
            // In the place of what was counted before: with a document the whole context may be
            // full, and nothing counts as more.
            tokens = fits.then_some(self.context_tokens)?;
        }
        Some(tokens.min(self.context_tokens))
    }
}

impl ImageLimits {
    fn takes(&self, image: &Source) -> bool {
        // What stands at an address is not fetched here, so nothing is known of it that could be
        // too large.
        let (width, height) = size_of(image).unwrap_or_default();
        bytes_of(image) <= self.bytes_max && width.max(height) <= self.edge_max
    }
}

/// How large an image is, where that is known.
fn size_of(source: &Source) -> Option<(u32, u32)> {
    match source {
        Source::Data { size, .. } => *size,
        Source::Url(_) => None,
    }
}

/// What is sent of it from here.
fn bytes_of(source: &Source) -> u64 {
    match source {
        Source::Data { bytes, .. } => bytes.as_slice().len() as u64,
        Source::Url(_) => 0,
    }
}
