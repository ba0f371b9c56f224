//! The models that an account may use, as the control plane lists them, page by page. Every list ends: pages, models, bytes and time
//! have limits. Source: reference §1.3. What of it can be served is decided elsewhere.

use std::time::{Duration, Instant};

use super::answer;
use super::call::{Call, Flow};
use super::error::OciError;
use super::wire::models::{ModelCollection, ModelSummary};
use super::{Upstream, What, usable};
use crate::json;
use crate::names::RequestId;

/// Capabilities are not asked for: whether a list of several means all or any of them is not documented, and each model names
/// its own.
const MODELS: &str = "/20231130/models?lifecycleState=ACTIVE&limit=100&compartmentId=";
/// Longest list, all pages together.
const LIST_TIMEOUT: Duration = Duration::from_secs(15);
const MAX_PAGES: usize = 50;
/// Custom models of a tenancy are among them.
const MAX_MODELS: usize = 5000;
/// Of one page. A model is about 1 KiB.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Longest name of a page. OCI's are some hundred characters.
const MAX_TOKEN_BYTES: usize = 4096;

/// What the control plane lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ModelList {
    pub(crate) models: Vec<ModelSummary>,
    /// There are no more.
    pub(crate) is_whole: bool,
}

impl Upstream {
    /// Lists the models. Errors: every `OciError` but `Event`, of whichever page.
    pub(crate) fn list_models(&self, request_id: &RequestId) -> Result<ModelList, OciError> {
        let deadline = Instant::now() + LIST_TIMEOUT;
        collect(|page| self.page(page, request_id, deadline))
    }

    /// One page, and the name of the next.
    fn page(
        &self,
        page: Option<&str>,
        request_id: &RequestId,
        deadline: Instant,
    ) -> Result<Page, OciError> {
        let (login, place) = self.signing()?;
        let base = usable(&place.control)?;
        // An OCID has nothing that a query would have to escape.
        let mut target = base.target(&format!("{MODELS}{}", place.compartment_id));
        if let Some(page) = page {
            target.push_str("&page=");
            target.push_str(&escaped(page));
        }
        let what = What {
            base,
            target: &target,
            body: None,
            compartment_id: Some(&place.compartment_id),
            compartment_headers: &["opc-compartment-id"],
            request_id,
        };
        let hook = Box::new(|| Flow::Continue);
        let call = Call::enter(hook, deadline, LIST_TIMEOUT, self.client.connect_timeout())?;
        let response = self.send(&login, &what, &call)?;
        let next = response.headers().get("opc-next-page");
        let next = next.and_then(|next| next.to_str().ok()).map(str::to_owned);
        let body = answer::bytes(response, call, MAX_PAGE_BYTES)?;
        let page: ModelCollection = json::read(&body).map_err(|error| OciError::Broken {
            why: format!(
                "the answer is not the JSON expected of a list of models (line {}, column {})",
                error.line(),
                error.column()
            ),
        })?;
        Ok((page.items, next))
    }
}

/// Models, and the name of the next page.
type Page = (Vec<ModelSummary>, Option<String>);

/// Asks for page after page.
fn collect(
    mut page: impl FnMut(Option<&str>) -> Result<Page, OciError>,
) -> Result<ModelList, OciError> {
    let mut list = ModelList::default();
    let mut next: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let (models, then) = page(next.as_deref())?;
        let room = MAX_MODELS.saturating_sub(list.models.len());
        let fits = models.len() <= room;
        list.models.extend(models.into_iter().take(room));
        let Some(then) = then.filter(|then| !then.is_empty()) else {
            list.is_whole = fits;
            return Ok(list);
        };
        // A page that names itself would be asked for again and again.
        if !fits || then.len() > MAX_TOKEN_BYTES || next.as_ref() == Some(&then) {
            return Ok(list);
        }
        next = Some(then);
    }
    Ok(list)
}

/// As a value of a query.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;

    fn models(count: usize) -> Vec<ModelSummary> {
        vec![ModelSummary::default(); count]
    }

    #[test]
    fn pages_are_asked_for_until_there_is_none() {
        let mut asked = Vec::new();
        let list = collect(|page| {
            asked.push(page.map(str::to_owned));
            let next = ["b", "c"]
                .get(asked.len() - 1)
                .map(|next| (*next).to_owned());
            Ok((models(2), next))
        });
        let list = list.unwrap();
        assert_eq!((list.models.len(), list.is_whole), (6, true));
        let names: Vec<_> = asked.iter().map(Option::as_deref).collect();
        assert_eq!(names, [None, Some("b"), Some("c")]);
    }

    #[test]
    fn every_list_ends() {
        for (size, name, pages) in [
            (0, "other", MAX_PAGES),
            (MAX_MODELS / 2, "other", 3),
            (1, "same", 2),
            (1, &*"x".repeat(MAX_TOKEN_BYTES + 1), 1),
        ] {
            let mut asked = 0;
            let list = collect(|_| {
                asked += 1;
                let next = if name == "other" {
                    asked.to_string()
                } else {
                    name.to_owned()
                };
                Ok((models(size), Some(next)))
            });
            let list = list.unwrap();
            assert_eq!((asked, list.is_whole), (pages, false), "{size}");
            assert!(list.models.len() <= MAX_MODELS);
        }
    }

    #[test]
    fn an_error_of_any_page_is_the_lists() {
        let mut asked = 0;
        let list = collect(|_| {
            asked += 1;
            match asked {
                1 => Ok((models(1), Some("b".to_owned()))),
                _ => Err(OciError::Cancelled),
            }
        });
        assert_eq!(list, Err(OciError::Cancelled));
    }

    #[test]
    fn a_page_is_named_as_it_was() {
        assert_eq!(escaped("aZ9-._~"), "aZ9-._~");
        assert_eq!(escaped("a b/+=&é"), "a%20b%2F%2B%3D%26%C3%A9");
    }
}
