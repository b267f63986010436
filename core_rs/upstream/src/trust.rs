//! Whose certificates are believed.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use thiserror::Error as ThisError;

/// A file of certificates has none that can be read.
#[derive(Debug, ThisError)]
#[error("no certificate can be read")]
pub struct NoCertificates;

/// What TLS is spoken with. Cheap to clone.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// What this machine trusts, as OpenSSL finds it; `SSL_CERT_FILE` and `SSL_CERT_DIR` hold here
    /// too. Read once.
    ///
    /// # Errors
    /// [`Error`] if the library has no cipher in common with itself.
    pub fn of_machine() -> Result<Self, Error> {
        static MACHINE: OnceLock<Trust> = OnceLock::new();
        // Not made inside of `get_or_init`, for it can fail: two that come first both read, and
        // one stands.
        if let Some(trust) = MACHINE.get() {
            return Ok(trust.clone());
        }
        let mut roots = RootCertStore::empty();
        // What cannot be read is not trusted: that shows where it is missed.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let trust = Self::new(Named::new(roots, Vec::new())?)?;
        Ok(MACHINE.get_or_init(|| trust).clone())
    }

    /// The certificates of a file, and no others.
    ///
    /// # Errors
    /// [`NoCertificates`] if there is none in it.
    pub fn of_pem(pem: &[u8]) -> Result<Self, NoCertificates> {
        let own: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(pem).collect();
        let own = own.map_err(|_| NoCertificates)?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(own.iter().cloned());
        if roots.is_empty() {
            return Err(NoCertificates);
        }
        let named = Named::new(roots, own).map_err(|_| NoCertificates)?;
        Self::new(named).map_err(|_| NoCertificates)
    }

    fn new(named: Named) -> Result<Self, Error> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            // So rustls calls whatever is not its own: this one asks the usual rules first, and
            // adds one.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(named))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

/// The usual rules, and one more: a certificate that the operator's own file names is believed
/// also where it calls itself an authority, as those do that a server signed for itself.
#[derive(Debug)]
struct Named {
    chains: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl Named {
    fn new(roots: RootCertStore, own: Vec<CertificateDer<'static>>) -> Result<Self, Error> {
        // Without any root it could not be built, and a machine without any may call by http.
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        let chains = builder.build().map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { chains, own })
    }
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.chains.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match judged {
            Err(error) if calls_itself_authority(&error) && self.own.contains(end_entity) => {
                // The usual rules ended at this one, which comes before that of the host's name.
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// It is asked behind the dates, so those are right.
fn calls_itself_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}
