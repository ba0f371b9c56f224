//! What the values of `-init` are called: their flags, their variables, the questions for them.

use crate::config::Item;

/// The flag of a value.
pub(super) fn flag(item: Item) -> Option<&'static str> {
    match item {
        Item::User => Some("-user"),
        Item::Tenancy => Some("-tenancy"),
        Item::Fingerprint => Some("-fingerprint"),
        Item::KeyFile => Some("-key-file"),
        Item::Region => Some("-region"),
        Item::PassPhrase => None,
        Item::Compartment => Some("-compartment"),
        Item::Models => Some("-models"),
    }
}

/// The variable of OCI's command line for a value.
pub(super) fn variable(item: Item) -> Option<&'static str> {
    match item {
        Item::User => Some("OCI_CLI_USER"),
        Item::Tenancy => Some("OCI_CLI_TENANCY"),
        Item::Fingerprint => Some("OCI_CLI_FINGERPRINT"),
        Item::KeyFile => Some("OCI_CLI_KEY_FILE"),
        Item::Region => Some("OCI_CLI_REGION"),
        Item::PassPhrase => Some("OCI_CLI_PASSPHRASE"),
        Item::Compartment | Item::Models => None,
    }
}

/// What is asked on a terminal.
pub(super) fn question(item: Item) -> &'static str {
    match item {
        Item::User => "User's OCID (console: Profile > User settings)",
        Item::Tenancy => "Tenancy's OCID (console: Profile > Tenancy)",
        Item::Fingerprint => "Fingerprint of the API key, to compare with the console",
        Item::KeyFile => "Private key, a PEM file",
        Item::Region => "Region, such as us-chicago-1",
        Item::PassPhrase => "Pass phrase of the key (is not shown)",
        Item::Compartment => "Compartment's OCID, if it is not the tenancy",
        Item::Models => "Models, name=id with commas between; auto: all that OCI lists",
    }
}

/// What to say without a terminal.
pub(super) fn missing(item: Item) -> String {
    let ways: Vec<String> = flag(item)
        .map(|flag| format!("give {flag}"))
        .into_iter()
        .chain(variable(item).map(|variable| format!("set {variable}")))
        .collect();
    format!(
        "{} is missing and there is no terminal to ask at: {}",
        item.key(),
        ways.join(" or ")
    )
}
