//! Certificates for servers that live as long as a test.

use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A server's certificate and key, made on the spot, with the authority that issued it.
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authority: rcgen::Certificate,
}

impl Certificate {
    /// A certificate for `localhost` and `127.0.0.1`.
    ///
    /// # Errors
    ///
    /// When the key cannot be made.
    pub fn for_loopback() -> anyhow::Result<Self> {
        Self::for_names(&["localhost", "127.0.0.1"])
    }

    /// A certificate for these host names and IP addresses.
    ///
    /// # Errors
    ///
    /// When a name cannot stand in a certificate, or the key cannot be made.
    pub fn for_names(names: &[&str]) -> anyhow::Result<Self> {
        Self::issue(&Self::parameters(names)?)
    }

    /// A certificate for `localhost` and `127.0.0.1` that expired in the year 2001.
    ///
    /// # Errors
    ///
    /// When the key cannot be made.
    pub fn expired() -> anyhow::Result<Self> {
        let mut parameters = Self::parameters(&["localhost", "127.0.0.1"])?;
        parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2001, 1, 1);
        Self::issue(&parameters)
    }

    /// The authority's certificate as PEM: what a client has to trust.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        self.authority.pem()
    }

    /// The authority's certificate as DER: what a client has to trust.
    #[must_use]
    pub fn authority_der(&self) -> CertificateDer<'static> {
        self.authority.der().clone()
    }

    /// The server's side of TLS 1.2 and 1.3 with this certificate.
    ///
    /// # Errors
    ///
    /// When the certificate does not go with its key.
    pub fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .context("the certificate does not go with its key")?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn parameters(names: &[&str]) -> anyhow::Result<CertificateParams> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        CertificateParams::new(names).context("a name cannot stand in a certificate")
    }

    fn issue(parameters: &CertificateParams) -> anyhow::Result<Self> {
        let mut of_authority = CertificateParams::default();
        of_authority.distinguished_name.push(DnType::CommonName, "jobalerts test authority");
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate()?;
        let authority = of_authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(of_authority, authority_key);
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|reason| anyhow::anyhow!("the key cannot be used: {reason}"))?;
        Ok(Self { chain: vec![certificate.der().clone()], key, authority })
    }
}
