//! Signing with a key file for a certificate.
//!
//! russh signs for certificates by itself, but lets an RSA certificate be announced with SHA-1, which servers refuse.

use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{self, HashAlg, PrivateKey};
use russh::{AgentAuthError, Signer};

/// A private key that signs as an agent would.
pub(super) struct FileSigner(pub(super) Arc<PrivateKey>);

impl Signer for FileSigner {
    type Error = AgentAuthError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut message: Vec<u8>,
    ) -> Result<Vec<u8>, AgentAuthError> {
        let signature = match self.0.key_data() {
            KeypairData::Rsa(pair) => (pair, hash).try_sign(&message),
            other => other.try_sign(&message),
        };
        let signature = signature.map_err(|error| keys::Error::SshKey(error.into()))?;
        // What is wanted back is the message with the signature behind it.
        signature.encode_prefixed(&mut message).map_err(keys::Error::from)?;
        Ok(message)
    }
}
