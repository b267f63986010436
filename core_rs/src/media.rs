//! Binding of the images and documents of [`chenu_engine::wire`].

use chenu_engine::wire::{self as engine, Bytes, DocumentLimits, ImageLimits, ImageRule, Source};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::convert::mistake;

/// A file as Python holds it, read attribute by attribute. Its bytes are shared, not copied.
#[derive(FromPyObject)]
pub(crate) struct MediumFields {
    media_type: String,
    url: String,
    data: Option<PyBackedBytes>,
    width: u32,
    height: u32,
}

impl MediumFields {
    pub(crate) fn source(self) -> PyResult<Source> {
        let Self { media_type, url, data, width, height } = self;
        match data {
            _ if !url.is_empty() => Ok(Source::Url(url)),
            Some(data) => {
                // Python has 0 where a size is not known, and 0 pixels would count as the smallest
                // image instead of the largest.
                let size = (width > 0 && height > 0).then_some((width, height));
                Ok(Source::Data { media_type, bytes: Bytes::new(data), size })
            }
            None => Err(mistake("a file has neither bytes nor an address")),
        }
    }
}

/// Which images of a model's record are taken, read attribute by attribute.
#[derive(FromPyObject)]
struct ImageFields {
    max: u32,
    bytes_max: u64,
    edge_max: u32,
    base_tokens: u32,
    cell_edge: u32,
    cell_millitokens: u32,
    cells_min: u32,
    cells_max: u32,
}

/// Which documents of a model's record are taken.
#[derive(FromPyObject)]
struct DocumentFields {
    max: u32,
    bytes_max: u64,
}

/// Which images and documents a model takes.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct MediaLimits(pub(crate) engine::MediaLimits);

#[pymethods]
impl MediaLimits {
    #[new]
    #[pyo3(signature = (images, documents, *, context_tokens))]
    fn new(
        images: Option<ImageFields>,
        documents: Option<DocumentFields>,
        context_tokens: u64,
    ) -> Self {
        let images = images.map(ImageFields::limits);
        let documents =
            documents.map(|it| DocumentLimits { count_max: it.max, bytes_max: it.bytes_max });
        Self(engine::MediaLimits { images, documents, context_tokens })
    }

    /// The most that one image is counted as; 0 if none is taken.
    #[getter]
    fn image_tokens_max(&self) -> u64 {
        // One of unknown size counts as the largest.
        self.0.images.map_or(0, |images| images.rule.tokens(None))
    }
}

impl ImageFields {
    fn limits(self) -> ImageLimits {
        let Self { max, bytes_max, edge_max, base_tokens, cell_edge, .. } = self;
        let Self { cell_millitokens, cells_min, cells_max, .. } = self;
        let rule = ImageRule { base_tokens, cell_edge, cell_millitokens, cells_min, cells_max };
        ImageLimits { count_max: max, bytes_max, edge_max, rule }
    }
}

/// What a file is by its own bytes: its media type, width and height in pixels (0 for a document).
#[pyfunction]
pub(crate) fn look(data: &[u8]) -> Option<(&'static str, u32, u32)> {
    let found = engine::look(data)?;
    let (width, height) = found.size.unwrap_or_default();
    Some((found.media_type, width, height))
}
