//! How a connection is made: to a provider, or to it through a proxy.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::client::Unsendable;
use crate::stream::Stream;
use crate::trust::Trust;

/// How long one address of a host is tried alone (RFC 8305, section 8).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);
/// The most bytes of what a proxy says before a tunnel.
const TUNNEL_HEAD_BYTES_MAX: usize = 16 << 10;

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreached {
    /// No such host is known.
    Host,
    /// Nothing listens there.
    Listener,
    /// The proxy cannot be reached, or refuses.
    Proxy,
    /// The host's certificate is not trusted.
    Certificate,
    /// What listens there does not speak TLS.
    Tls,
}

/// How a provider is reached.
#[derive(Clone, Default)]
pub struct Way {
    /// What its calls go through.
    pub proxy: Option<Proxy>,
    /// Whose certificates are believed; none: the machine's.
    pub trust: Option<Trust>,
}

/// A proxy, and what it is told of who calls.
#[derive(Clone)]
pub struct Proxy {
    /// Where it listens.
    pub address: Uri,
    /// The value of `Proxy-Authorization`, if it wants one.
    pub authorization: Option<String>,
}

/// Where a URL leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) is_tls: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// Of an absolute URL; `None` if it is none.
    pub(crate) fn of(url: &Uri) -> Option<Self> {
        let is_tls = match url.scheme()? {
            scheme if *scheme == Scheme::HTTPS => true,
            scheme if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        let host = url.host()?.to_owned();
        let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Some(Self { is_tls, host, port })
    }

    /// As sockets and certificates have it: an IPv6 address without its brackets.
    fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl Proxy {
    /// # Errors
    /// [`Unsendable`] if the address is no URL. It is not quoted.
    pub fn new(address: &str, authorization: Option<String>) -> Result<Self, Unsendable> {
        let address: Uri = address.parse().map_err(|_| Unsendable)?;
        Origin::of(&address).map(|_| Self { address, authorization }).ok_or(Unsendable)
    }
}

/// An open connection, on which nothing of a request has been sent.
pub(crate) async fn connect(origin: &Origin, way: &Way) -> Result<Box<dyn Stream>, Unreached> {
    let stream: Box<dyn Stream> = match &way.proxy {
        None => Box::new(dial(origin).await?),
        Some(proxy) => through(proxy, origin, way).await.map_err(|_| Unreached::Proxy)?,
    };
    if origin.is_tls { encrypted(stream, origin, way).await } else { Ok(stream) }
}

async fn through(proxy: &Proxy, origin: &Origin, way: &Way) -> io::Result<Box<dyn Stream>> {
    let lost = |_| io::Error::from(io::ErrorKind::NotConnected);
    let place = Origin::of(&proxy.address).ok_or(io::ErrorKind::InvalidInput)?;
    let mut stream: Box<dyn Stream> = Box::new(dial(&place).await.map_err(lost)?);
    if place.is_tls {
        stream = encrypted(stream, &place, way).await.map_err(lost)?;
    }
    if origin.is_tls {
        dig(&mut stream, origin, proxy).await?;
    }
    Ok(stream)
}

/// Have the proxy connect this stream with the provider (RFC 9110, section 9.3.6).
async fn dig(stream: &mut Box<dyn Stream>, origin: &Origin, proxy: &Proxy) -> io::Result<()> {
    let Origin { host, port, .. } = origin;
    let who = proxy.authorization.as_ref();
    let who = who.map_or(String::new(), |it| format!("Proxy-Authorization: {it}\r\n"));
    let asked = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{who}\r\n");
    stream.write_all(asked.as_bytes()).await?;
    let mut told = Vec::new();
    // Byte by byte: what follows the head is the provider's.
    while !told.ends_with(b"\r\n\r\n") {
        if told.len() >= TUNNEL_HEAD_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        told.push(stream.read_u8().await?);
    }
    // Any 2xx opens the tunnel; whatever else is said is not read, for it is the proxy's own page.
    let agrees = told.starts_with(b"HTTP/1.1 2") || told.starts_with(b"HTTP/1.0 2");
    if agrees { Ok(()) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
}

async fn dial(origin: &Origin) -> Result<TcpStream, Unreached> {
    let found = lookup_host((origin.name(), origin.port)).await.map_err(|_| Unreached::Host)?;
    // Dropped with this function: whoever answers second is hung up on.
    let mut tries = JoinSet::new();
    // An address that says nothing keeps nobody from the next one.
    for address in found {
        tries.spawn(dial_address(address));
        if let Ok(Some(stream)) = timeout(NEXT_ADDRESS_AFTER, first(&mut tries)).await {
            return Ok(stream);
        }
    }
    first(&mut tries).await.ok_or(Unreached::Listener)
}

async fn first(tries: &mut JoinSet<io::Result<TcpStream>>) -> Option<TcpStream> {
    while let Some(tried) = tries.join_next().await {
        if let Ok(Ok(stream)) = tried {
            return Some(stream);
        }
    }
    None
}

async fn dial_address(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A body goes out behind its head at once, and does not wait until that is acknowledged.
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    socket.connect(address).await
}

async fn encrypted(
    stream: Box<dyn Stream>,
    origin: &Origin,
    way: &Way,
) -> Result<Box<dyn Stream>, Unreached> {
    let trust = match &way.trust {
        Some(trust) => trust.clone(),
        None => Trust::of_machine().map_err(|_| Unreached::Certificate)?,
    };
    let name = ServerName::try_from(origin.name().to_owned()).map_err(|_| Unreached::Host)?;
    let connector = TlsConnector::from(trust.config());
    let stream = connector.connect(name, stream).await.map_err(|error| unencrypted(&error))?;
    Ok(Box::new(stream))
}

fn unencrypted(error: &io::Error) -> Unreached {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(_)) => Unreached::Certificate,
        _ => Unreached::Tls,
    }
}
