//! The profiles of OCI's own tools (`~/.oci/config`), for `-init`. Whatever else stands in that file is passed over: it is not
//! ours to complain about. Source: reference §3.

use std::path::Path;

use zeroize::Zeroizing;

use super::file::{self, File, Section};
use super::new_file::Item;
use super::read;

/// The profile that the others inherit from.
pub(crate) const DEFAULT_PROFILE: &str = "DEFAULT";

/// A file of OCI's own tools.
pub(crate) struct Profiles(File);

impl Profiles {
    /// # Errors
    /// The file is there and cannot be read: why.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let bytes = read(path).map_err(|error| error.to_string())?;
        Ok(Self::parse(&bytes))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(file::scan(bytes).0)
    }

    /// In the order of the file; those that log in with an API key, whole or with what they inherit.
    pub(crate) fn names(&self) -> Vec<&str> {
        let sections = self.0.sections.iter();
        sections
            .filter(|section| !section.name.is_empty() && !asks_for_session(section))
            .map(|section| section.name.as_str())
            .collect()
    }

    pub(crate) fn has(&self, profile: &str) -> bool {
        self.section(profile).is_some()
    }

    /// The value of a profile, or the one that it inherits.
    pub(crate) fn value(&self, profile: &str, item: Item) -> Option<Zeroizing<String>> {
        [profile, DEFAULT_PROFILE].iter().find_map(|name| {
            let key = item.key();
            let section = self.section(name)?;
            let is_it = |name: &str| {
                name.eq_ignore_ascii_case(key) || (key == "pass_phrase" && name == "passphrase")
            };
            let mut entries = section.entries.iter();
            let entry = entries.find(|entry| is_it(&entry.name) && !entry.value.is_empty())?;
            Some(entry.value.clone())
        })
    }

    fn section(&self, name: &str) -> Option<&Section> {
        self.0.sections.iter().find(|section| section.name == name)
    }
}

fn asks_for_session(section: &Section) -> bool {
    let mut entries = section.entries.iter();
    entries.any(|entry| entry.is("security_token_file") || entry.is("delegation_token_file"))
}
