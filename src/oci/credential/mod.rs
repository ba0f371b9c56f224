//! What an account's calls are made with: an API signing key, a token with the key that it was given for, or an API key of the
//! service. A token changes while the program runs: whatever that takes happens in a thread of its own (`keeper`), and a call
//! finds it ready or fails at once. Never knows requests. Source: reference §1.4, §2, §2.3.

mod certificate;
mod claims;
mod files;
mod instance;
mod keeper;
mod schedule;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use self::files::{Files, Held};
use self::instance::Instance;
use self::keeper::{Keeper, Source};
use super::error::OciError;
use super::exchange::Client;
use super::keys::{KeyError, PrivateKey};
use super::signer::{self, Signed, Signer};
use crate::cores;
use crate::names::{Region, Secret};

/// How an account shows who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A user's API signing key.
    SigningKey {
        user: String,
        tenancy: String,
        /// Of the key, in lower case, with colons.
        fingerprint: String,
        key_file: PathBuf,
        pass_phrase: Option<Secret>,
    },
    /// A session of OCI's command line: a token, and the key that it was given for.
    SecurityToken {
        tenancy: String,
        token_file: PathBuf,
        key_file: PathBuf,
        pass_phrase: Option<Secret>,
    },
    /// The machine itself, an instance at OCI. `None`: where such machines find these services.
    InstancePrincipal {
        metadata_endpoint: Option<String>,
        federation_endpoint: Option<String>,
    },
    /// What runs in a function or a container of OCI's, as the environment tells.
    ResourcePrincipal,
    /// An API key of the service. It signs nothing, and reaches only the OpenAI-compatible API.
    ApiKey { key: Secret },
}

/// What a token or the metadata service says of the account's place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) tenancy: Option<String>,
    pub(super) region: Option<Region>,
}

/// What calls are made with, until it is replaced.
pub(super) struct Login {
    how: How,
    /// `None`: never, as far as anybody knows.
    expires: Option<Instant>,
    pub(super) origin: Origin,
}

enum How {
    Signature(Box<Signer>),
    Bearer(Secret),
}

/// An account's credential, for any thread.
pub(super) enum Credential {
    Fixed(Arc<Login>),
    Kept(Arc<Keeper>),
}

impl Identity {
    /// Whether it signs, and so may call OCI's own API.
    pub(crate) fn signs(&self) -> bool {
        match self {
            Self::SigningKey { .. }
            | Self::SecurityToken { .. }
            | Self::InstancePrincipal { .. }
            | Self::ResourcePrincipal => true,
            Self::ApiKey { .. } => false,
        }
    }

    /// The tenancy, where the configuration must tell it.
    pub(crate) fn tenancy(&self) -> Option<&str> {
        match self {
            Self::SigningKey { tenancy, .. } | Self::SecurityToken { tenancy, .. } => Some(tenancy),
            Self::InstancePrincipal { .. } | Self::ResourcePrincipal | Self::ApiKey { .. } => None,
        }
    }

    pub(crate) fn pass_phrase(&self) -> Option<&Secret> {
        match self {
            Self::SigningKey { pass_phrase, .. } | Self::SecurityToken { pass_phrase, .. } => {
                pass_phrase.as_ref()
            }
            Self::InstancePrincipal { .. } | Self::ResourcePrincipal | Self::ApiKey { .. } => None,
        }
    }

    /// The files with its secrets.
    pub(crate) fn files(&self) -> Vec<&PathBuf> {
        match self {
            Self::SigningKey { key_file, .. } => vec![key_file],
            Self::SecurityToken {
                token_file,
                key_file,
                ..
            } => vec![key_file, token_file],
            Self::InstancePrincipal { .. } | Self::ResourcePrincipal | Self::ApiKey { .. } => {
                Vec::new()
            }
        }
    }
}

impl Credential {
    /// Reads what there is to read, and starts the thread of what will change. Makes no connection itself. `before`: the
    /// credential of the same identity that is in service, whose token stays.
    pub(super) fn open(
        identity: &Identity,
        client: &Client,
        before: Option<&Self>,
    ) -> Result<Self, KeyError> {
        if let Some(Self::Kept(keeper)) = before {
            return Ok(Self::Kept(Arc::clone(keeper)));
        }
        match identity {
            Identity::SigningKey {
                user,
                tenancy,
                fingerprint,
                key_file,
                pass_phrase,
            } => {
                let key = PrivateKey::load(key_file, pass_phrase.as_ref())?;
                key.check_fingerprint(fingerprint)?;
                let signer = Signer::new(key, signer::key_id(tenancy, user, fingerprint))?;
                Ok(Self::fixed(How::Signature(Box::new(signer))))
            }
            Identity::ApiKey { key } => Ok(Self::fixed(How::Bearer(key.clone()))),
            Identity::SecurityToken {
                token_file,
                key_file,
                pass_phrase,
                ..
            } => {
                let token = Held::File(token_file.clone());
                let key = Held::File(key_file.clone());
                let phrase = pass_phrase.clone().map(Held::Value);
                Self::read(Files::new(token, key, phrase, None), client)
            }
            Identity::ResourcePrincipal => {
                Self::read(Files::of_resource(|name| std::env::var(name).ok())?, client)
            }
            Identity::InstancePrincipal {
                metadata_endpoint,
                federation_endpoint,
            } => {
                let instance = Instance::new(
                    metadata_endpoint.as_deref(),
                    federation_endpoint.as_deref(),
                    std::env::var("OCI_METADATA_BASE_URL").ok().as_deref(),
                );
                let source = Source::Instance(Box::new(instance));
                Ok(Self::Kept(Arc::new(Keeper::start(source, None, client))))
            }
        }
    }

    /// Of files: what cannot be read now is an account that cannot start.
    fn read(mut files: Files, client: &Client) -> Result<Self, KeyError> {
        let first = files.load(true, SystemTime::now(), Instant::now())?;
        let source = Source::Files(Box::new(files));
        Ok(Self::Kept(Arc::new(Keeper::start(source, first, client))))
    }

    fn fixed(how: How) -> Self {
        Self::Fixed(Arc::new(Login {
            how,
            expires: None,
            origin: Origin::default(),
        }))
    }

    /// What to make a call with.
    ///
    /// # Errors
    /// `NoCredential`: there is nothing valid now.
    pub(super) fn login(&self, now: Instant) -> Result<Arc<Login>, OciError> {
        match self {
            Self::Fixed(login) => Ok(Arc::clone(login)),
            Self::Kept(keeper) => keeper
                .login(now)
                .map_err(|why| OciError::NoCredential { why }),
        }
    }

    /// OCI has refused what was made with this: asks for something newer, once for each. Returns it if it is there already, or is
    /// within moments.
    pub(super) fn refused(&self, login: &Arc<Login>) -> Option<Arc<Login>> {
        match self {
            Self::Fixed(_) => None,
            Self::Kept(keeper) => keeper.refused(login),
        }
    }

    /// Why there is nothing valid now.
    pub(super) fn trouble(&self, now: Instant) -> Option<String> {
        match self {
            Self::Fixed(_) => None,
            Self::Kept(keeper) => keeper.login(now).err(),
        }
    }

    /// How many times what calls are made with has been replaced.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Fixed(_) => 0,
            Self::Kept(keeper) => keeper.count(),
        }
    }

    /// Waits for the first answer to whether there is something valid.
    pub(super) fn wait(&self, until: Instant) {
        match self {
            Self::Fixed(_) => {}
            Self::Kept(keeper) => keeper.wait(until),
        }
    }
}

impl Login {
    /// Signed with this key, for as long as the token of the key id is good.
    fn signing(
        key: PrivateKey,
        token: &str,
        expires: Option<Instant>,
        origin: Origin,
    ) -> Result<Self, KeyError> {
        let signer = Signer::new(key, signer::token_key_id(token))?;
        Ok(Self {
            how: How::Signature(Box::new(signer)),
            expires,
            origin,
        })
    }

    /// What the headers of a request need.
    pub(super) fn sign(&self, request: &signer::Request<'_>, date: SystemTime) -> Signed {
        match &self.how {
            How::Signature(signer) => {
                let _core = cores::take();
                signer.sign(request, date)
            }
            How::Bearer(key) => Signed::bearer(key, date),
        }
    }

    /// Whether it signs, and so may call OCI's own API.
    pub(super) fn signs(&self) -> bool {
        match self.how {
            How::Signature(_) => true,
            How::Bearer(_) => false,
        }
    }

    fn is_valid(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// How long it is good for, if that is known.
    pub(super) fn valid_for(&self, now: Instant) -> Option<std::time::Duration> {
        self.expires
            .map(|expires| expires.saturating_duration_since(now))
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(***)")
    }
}
