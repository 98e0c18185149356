//! Whether the key that a server shows is trusted, and what to tell the user when it is not.

use std::time::{SystemTime, UNIX_EPOCH};

use russh::Preferred;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKeyOrCertificate};

use super::TransportError;
use super::handshake::at;
use super::known_hosts::{self, HostKey, KnownHosts, LookupName, Place, Verdict, matches_pattern};
use crate::config::ssh_config::SshTarget;

/// What is known of a host before it is asked.
pub(super) struct HostCheck {
    target: SshTarget,
    name: LookupName,
    known: KnownHosts,
}

impl HostCheck {
    /// Reads the known_hosts files of `target`.
    pub(super) fn load(target: &SshTarget) -> Result<Self, TransportError> {
        let known = KnownHosts::parse(&known_hosts::read(&target.known_hosts)?);
        for warning in known.warnings() {
            tracing::warn!("skipped {}: {}", warning.place, warning.problem);
        }
        let name = LookupName::new(&target.host, target.port, target.host_key_alias.as_deref());
        Ok(Self {
            target: target.clone(),
            name,
            known,
        })
    }

    /// The key types to ask the server for: the known ones first, or it could show one that nobody has checked.
    pub(super) fn preferred_algorithms(&self) -> Vec<Algorithm> {
        let known = self.known.algorithms(&self.name);
        let (mut first, rest): (Vec<_>, Vec<_>) =
            usable_algorithms().partition(|algorithm| known.contains(&key_type(algorithm)));
        first.sort_by_key(|algorithm| known.iter().position(|name| *name == key_type(algorithm)));
        first.extend(rest);
        first
    }

    /// The types of host certificate to ask for: none unless an authority is trusted for this host.
    pub(super) fn certificate_algorithms(&self) -> Vec<Algorithm> {
        if self.known.authorities(&self.name).is_empty() {
            Vec::new()
        } else {
            usable_algorithms().collect()
        }
    }

    /// Whether what the server shows may be trusted.
    ///
    /// # Errors
    /// When it may not, with what to do about it.
    pub(super) fn accept(&self, shown: &PublicKeyOrCertificate) -> Result<(), TransportError> {
        let key = HostKey::from(shown.public_key().key_data());
        if let Some(certificate) = shown.certificate() {
            let authority = HostKey::from(certificate.signature_key());
            if let Some(place) = self.known.revocation(&self.name, &authority) {
                return Err(self.revoked(&authority, &place));
            }
            match self.check_certificate(certificate) {
                Ok(()) if self.known.revocation(&self.name, &key).is_none() => return Ok(()),
                // As OpenSSH: a certificate that does not hold leaves the key in it, which may be known by itself.
                checked => tracing::debug!("certificate of {} set aside: {checked:?}", at(&self.target)),
            }
        }
        match self.known.verify(&self.name, &key) {
            Verdict::Known => Ok(()),
            Verdict::Unknown => Err(self.unknown(&key)),
            Verdict::Changed(place) => Err(self.changed(&key, &place)),
            Verdict::Revoked(place) => Err(self.revoked(&key, &place)),
        }
    }

    fn check_certificate(&self, certificate: &Certificate) -> Result<(), &'static str> {
        if certificate.cert_type() != CertType::Host {
            return Err("it is not a host's");
        }
        let authority = HostKey::from(certificate.signature_key());
        if !self.known.authorities(&self.name).contains(&authority) {
            return Err("its authority is not trusted for this host");
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|_| "the clock is before 1970")?
            .as_secs();
        certificate
            .validate_at(now, &[certificate.signature_key().fingerprint(HashAlg::Sha256)])
            .map_err(|_| "its signature or its dates do not hold")?;
        if !certificate.critical_options().is_empty() {
            return Err("it has a critical option, and none is defined for hosts");
        }
        let host = self
            .target
            .host_key_alias
            .as_ref()
            .unwrap_or(&self.target.host)
            .to_lowercase();
        if certificate
            .valid_principals()
            .iter()
            .any(|principal| matches_pattern(principal, &host))
        {
            Ok(())
        } else {
            Err("it does not name this host")
        }
    }

    fn unknown(&self, key: &HostKey) -> TransportError {
        TransportError::host_key(format!(
            "the host key of {} is not known, so the connection was stopped: {} {}; looked for {} in {}.\n{}\n\
             If it is the same, accept it with `modsyncd init`, or connect once with `ssh {}`.",
            at(&self.target),
            key.algorithm,
            key.fingerprint_sha256,
            self.name,
            self.files(),
            self.how_to_compare(key),
            self.target.alias,
        ))
    }

    fn changed(&self, key: &HostKey, place: &Place) -> TransportError {
        TransportError::host_key(format!(
            "the host key of {} has changed, so the connection was stopped: it shows {} {}, {place} has another one. \
             Either the server was set up anew, or somebody is in between.\n{}\n\
             If it is the same, remove the old key with `ssh-keygen -R '{}' -f '{}'` and accept the new one with \
             `modsyncd init`, or connect once with `ssh {}`.",
            at(&self.target),
            key.algorithm,
            key.fingerprint_sha256,
            self.how_to_compare(key),
            self.name,
            place.file.display(),
            self.target.alias,
        ))
    }

    fn revoked(&self, key: &HostKey, place: &Place) -> TransportError {
        TransportError::host_key(format!(
            "the host key of {} is revoked by {place}, so the connection was stopped: {} {}. \
             Somebody declared this key stolen or retired: ask who runs the server for its new key.\n{}",
            at(&self.target),
            key.algorithm,
            key.fingerprint_sha256,
            self.how_to_compare(key),
        ))
    }

    fn how_to_compare(&self, key: &HostKey) -> String {
        let file = match key.algorithm.as_str() {
            "ssh-rsa" => "ssh_host_rsa_key.pub",
            "ssh-ed25519" => "ssh_host_ed25519_key.pub",
            _ => "ssh_host_ecdsa_key.pub",
        };
        format!(
            "Compare the fingerprint with the server's own, on its console: `ssh-keygen -lf /etc/ssh/{file}`; \
             from here `ssh-keyscan -p {} {} | ssh-keygen -lf -` shows what the network shows.",
            self.target.port, self.target.host
        )
    }

    fn files(&self) -> String {
        let names: Vec<String> = self
            .target
            .known_hosts
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        if names.is_empty() {
            "no file (none is configured)".to_owned()
        } else {
            names.join(", ")
        }
    }
}

/// What russh offers, without the signatures over SHA-1 that OpenSSH no longer makes by default.
fn usable_algorithms() -> impl Iterator<Item = Algorithm> {
    Preferred::DEFAULT
        .key
        .into_owned()
        .into_iter()
        .filter(|algorithm| *algorithm != Algorithm::Rsa { hash: None })
}

/// The type under which known_hosts has a key for this signature algorithm: one for all three of RSA.
fn key_type(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::Rsa { .. } => Algorithm::Rsa { hash: None }.as_str().to_owned(),
        other => other.as_str().to_owned(),
    }
}
