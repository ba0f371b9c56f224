//! Regions, their realms, and the hosts of the Generative AI service in them. Knows nothing of accounts or sockets; an
//! OCID comes in as text. Source: reference §1.1; the eight known regions: specification §2.

use crate::names::Region;

/// A region from the configuration, and whether this program was made for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RegionInfo {
    pub(crate) region: Region,
    /// One of the specification's eight. Any other works too, with a warning at the start.
    pub(crate) known: bool,
}

/// The longest label of a DNS name, and a region is one. Source: RFC 1035 §2.3.4.
const MAX_REGION_BYTES: usize = 63;

/// The realm of nearly all customers, and the official SDKs' choice for a region they do not know.
const COMMERCIAL: &str = "oc1";
const COMMERCIAL_DOMAIN: &str = "oraclecloud.com";

/// Regions that the specification lists by name.
const KNOWN: [&str; 8] = [
    "ap-hyderabad-1",
    "ap-osaka-1",
    "eu-frankfurt-1",
    "me-dubai-1",
    "sa-saopaulo-1",
    "uk-london-1",
    "us-chicago-1",
    "us-phoenix-1",
];

/// Three-letter keys, which the official SDKs accept in a configuration.
const KEYS: [(&str, &str); 46] = [
    ("aga", "us-saltlake-2"),
    ("ams", "eu-amsterdam-1"),
    ("arn", "eu-stockholm-1"),
    ("auh", "me-abudhabi-1"),
    ("bog", "sa-bogota-1"),
    ("bom", "ap-mumbai-1"),
    ("brs", "uk-gov-cardiff-1"),
    ("cdg", "eu-paris-1"),
    ("cwl", "uk-cardiff-1"),
    ("dxb", "me-dubai-1"),
    ("fra", "eu-frankfurt-1"),
    ("gru", "sa-saopaulo-1"),
    ("hyd", "ap-hyderabad-1"),
    ("iad", "us-ashburn-1"),
    ("icn", "ap-seoul-1"),
    ("jed", "me-jeddah-1"),
    ("jnb", "af-johannesburg-1"),
    ("kix", "ap-osaka-1"),
    ("lfi", "us-langley-1"),
    ("lhr", "uk-london-1"),
    ("lin", "eu-milan-1"),
    ("ltn", "uk-gov-london-1"),
    ("luf", "us-luke-1"),
    ("mad", "eu-madrid-1"),
    ("mel", "ap-melbourne-1"),
    ("mrs", "eu-marseille-1"),
    ("mtz", "il-jerusalem-1"),
    ("mty", "mx-monterrey-1"),
    ("nrt", "ap-tokyo-1"),
    ("ord", "us-chicago-1"),
    ("phx", "us-phoenix-1"),
    ("pia", "us-gov-chicago-1"),
    ("qro", "mx-queretaro-1"),
    ("ric", "us-gov-ashburn-1"),
    ("ruh", "me-riyadh-1"),
    ("scl", "sa-santiago-1"),
    ("sin", "ap-singapore-1"),
    ("sjc", "us-sanjose-1"),
    ("str", "eu-frankfurt-2"),
    ("syd", "ap-sydney-1"),
    ("tus", "us-gov-phoenix-1"),
    ("vcp", "sa-vinhedo-1"),
    ("vll", "eu-madrid-2"),
    ("yul", "ca-montreal-1"),
    ("yyz", "ca-toronto-1"),
    ("zrh", "eu-zurich-1"),
];

/// Second-level domains of the realms.
const REALMS: [(&str, &str); 20] = [
    (COMMERCIAL, COMMERCIAL_DOMAIN),
    ("oc2", "oraclegovcloud.com"),
    ("oc3", "oraclegovcloud.com"),
    ("oc4", "oraclegovcloud.uk"),
    ("oc8", "oraclecloud8.com"),
    ("oc9", "oraclecloud9.com"),
    ("oc10", "oraclecloud10.com"),
    ("oc14", "oraclecloud14.com"),
    ("oc15", "oraclecloud15.com"),
    ("oc19", "oraclecloud.eu"),
    ("oc20", "oraclecloud20.com"),
    ("oc21", "oraclecloud21.com"),
    ("oc23", "oraclecloud23.com"),
    ("oc24", "oraclecloud24.com"),
    ("oc26", "oraclecloud26.com"),
    ("oc29", "oraclecloud29.com"),
    ("oc35", "oraclecloud35.com"),
    ("oc42", "oraclecloud42.com"),
    ("oc51", "oraclecloud51.com"),
    ("oc52", "oraclecloud52.com"),
];

/// Regions outside the commercial realm by name. Whatever stands neither here nor in `PREFIXES` counts as commercial
/// unless the tenancy's OCID says otherwise.
const ELSEWHERE: [(&str, &str); 32] = [
    ("us-langley-1", "oc2"),
    ("us-luke-1", "oc2"),
    ("ap-chiyoda-1", "oc8"),
    ("ap-ibaraki-1", "oc8"),
    ("me-dcc-muscat-1", "oc9"),
    ("me-ibri-1", "oc9"),
    ("ap-dcc-canberra-1", "oc10"),
    ("eu-dcc-dublin-1", "oc14"),
    ("eu-dcc-dublin-2", "oc14"),
    ("eu-dcc-milan-1", "oc14"),
    ("eu-dcc-milan-2", "oc14"),
    ("eu-dcc-rating-1", "oc14"),
    ("eu-dcc-rating-2", "oc14"),
    ("ap-dcc-gazipur-1", "oc15"),
    ("eu-frankfurt-2", "oc19"),
    ("eu-madrid-2", "oc19"),
    ("eu-jovanovac-1", "oc20"),
    ("me-dcc-doha-1", "oc21"),
    ("me-alrayyan-1", "oc21"),
    ("us-somerset-1", "oc23"),
    ("us-thames-1", "oc23"),
    ("eu-dcc-zurich-1", "oc24"),
    ("eu-crissier-1", "oc24"),
    ("me-abudhabi-3", "oc26"),
    ("me-alain-1", "oc26"),
    ("me-abudhabi-2", "oc29"),
    ("me-abudhabi-4", "oc29"),
    ("ap-seoul-2", "oc35"),
    ("ap-suwon-1", "oc35"),
    ("ap-chuncheon-2", "oc35"),
    ("us-ashburn-2", "oc42"),
    ("us-newark-1", "oc42"),
];

/// Whole families of regions outside the commercial realm. The realms oc2 and oc3 share a domain, so that a US government
/// region needs no finer distinction.
const PREFIXES: [(&str, &str); 2] = [("uk-gov-", "oc4"), ("us-gov-", "oc3")];

/// Reads a region's id or its three-letter key, in any case and with white space around it. `None`: neither a known key
/// nor well-formed, that is two letters, one or more words, and a number, joined with `-` (`us-chicago-1`).
pub(crate) fn parse(text: &str) -> Option<RegionInfo> {
    let text = text.trim().to_ascii_lowercase();
    let id = look_up(&KEYS, &text).unwrap_or(&text);
    is_well_formed(id).then(|| RegionInfo {
        region: Region::new(id),
        known: KNOWN.contains(&id),
    })
}

/// Host of the inference service. `tenancy` is the account's OCID: its realm decides where it is a known one other than
/// oc1, since a region newer than this program would else be looked for in the commercial realm.
pub(crate) fn inference_host(region: &Region, tenancy: &str) -> String {
    format!(
        "inference.generativeai.{region}.oci.{}",
        domain(region, tenancy)
    )
}

/// Host of the control plane (model lists), with the same choice of realm as [`inference_host`].
pub(crate) fn control_host(region: &Region, tenancy: &str) -> String {
    format!("generativeai.{region}.oci.{}", domain(region, tenancy))
}

/// Host of the federation service, which gives an instance its token.
pub(crate) fn federation_host(region: &Region, tenancy: &str) -> String {
    format!("auth.{region}.{}", domain(region, tenancy))
}

/// The second-level domain of the realm that an OCID names: `ocid1.<type>.<realm>.[region].<unique>`. `None`: not an OCID,
/// or a realm that the reference does not list.
pub(crate) fn domain_of_ocid(ocid: &str) -> Option<&'static str> {
    look_up(&REALMS, realm_of_ocid(ocid)?)
}

fn domain(region: &Region, tenancy: &str) -> &'static str {
    domain_of_ocid(tenancy)
        .filter(|domain| *domain != COMMERCIAL_DOMAIN)
        .or_else(|| look_up(&REALMS, realm_of_region(region.as_str())))
        .unwrap_or(COMMERCIAL_DOMAIN)
}

fn realm_of_ocid(ocid: &str) -> Option<&str> {
    let mut segments = ocid.trim().split('.');
    let version = segments.next()?;
    let realm = segments.nth(1)?;
    version.starts_with("ocid").then_some(realm)
}

fn realm_of_region(region: &str) -> &'static str {
    look_up(&ELSEWHERE, region)
        .or_else(|| {
            let family = PREFIXES
                .iter()
                .find(|(prefix, _)| region.starts_with(prefix));
            family.map(|(_, realm)| *realm)
        })
        .unwrap_or(COMMERCIAL)
}

fn look_up(table: &[(&'static str, &'static str)], key: &str) -> Option<&'static str> {
    let row = table.iter().find(|(name, _)| *name == key);
    row.map(|(_, value)| *value)
}

fn is_well_formed(id: &str) -> bool {
    let segments: Vec<&str> = id.split('-').collect();
    let [area, words @ .., number] = segments.as_slice() else {
        return false;
    };
    let is_word = |word: &&str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    id.len() <= MAX_REGION_BYTES
        && area.len() == 2
        && area.bytes().all(|b| b.is_ascii_lowercase())
        && !words.is_empty()
        && words.iter().all(is_word)
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    const TENANCY: &str = "ocid1.tenancy.oc1..aaaaaaaatest";

    fn check(text: &str, expected: Option<(&str, bool)>) {
        let found = parse(text);
        let found = found
            .as_ref()
            .map(|info| (info.region.as_str(), info.known));
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn ids_and_keys_in_any_case() {
        check("us-chicago-1", Some(("us-chicago-1", true)));
        check(" US-Chicago-1\t", Some(("us-chicago-1", true)));
        check("ORD", Some(("us-chicago-1", true)));
        check("kix", Some(("ap-osaka-1", true)));
        check("Iad", Some(("us-ashburn-1", false)));
        check("uk-gov-london-1", Some(("uk-gov-london-1", false)));
        check("me-dcc-muscat-1", Some(("me-dcc-muscat-1", false)));
        check("xx-newplace-12", Some(("xx-newplace-12", false)));
    }

    #[test]
    fn what_is_no_region_is_refused() {
        let long = format!("us-{}-1", "a".repeat(MAX_REGION_BYTES));
        for text in [
            "",
            "zzz",
            "chicago",
            "us-1",
            "us--1",
            "us-chicago",
            "us-chicago-",
            "-us-chicago-1",
            "us-chicago-1.evil.example",
            "us-chicago-1/x",
            "us-chicago-1@x",
            "us_chicago_1",
            "us-chi cago-1",
            "us-chicagö-1",
            "usa-chicago-1",
            "u1-chicago-1",
            long.as_str(),
        ] {
            check(text, None);
        }
    }

    #[test]
    fn all_tables_hold_well_formed_names_once() {
        for (key, id) in KEYS {
            check(&key.to_ascii_uppercase(), Some((id, KNOWN.contains(&id))));
        }
        for id in KNOWN {
            check(id, Some((id, true)));
            assert_eq!(realm_of_region(id), COMMERCIAL);
        }
        for (id, realm) in ELSEWHERE {
            check(id, Some((id, false)));
            assert!(look_up(&REALMS, realm).is_some(), "{realm}");
        }
        for table in [&KEYS[..], &REALMS[..], &ELSEWHERE[..]] {
            let mut names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            assert_eq!(names.len(), all);
        }
    }

    #[test]
    fn hosts_stand_in_the_realm_of_the_region() {
        for (region, domain) in [
            ("us-chicago-1", "oraclecloud.com"),
            ("xx-newplace-1", "oraclecloud.com"),
            ("uk-gov-london-1", "oraclegovcloud.uk"),
            ("uk-gov-cardiff-1", "oraclegovcloud.uk"),
            ("us-gov-ashburn-1", "oraclegovcloud.com"),
            ("us-langley-1", "oraclegovcloud.com"),
            ("us-luke-1", "oraclegovcloud.com"),
            ("eu-frankfurt-1", "oraclecloud.com"),
            ("eu-frankfurt-2", "oraclecloud.eu"),
            ("me-dcc-doha-1", "oraclecloud21.com"),
        ] {
            let region = parse(region).unwrap().region;
            let inference = format!("inference.generativeai.{region}.oci.{domain}");
            assert_eq!(inference_host(&region, TENANCY), inference);
            assert_eq!(inference_host(&region, "not an OCID"), inference);
            let control = format!("generativeai.{region}.oci.{domain}");
            assert_eq!(control_host(&region, TENANCY), control);
        }
    }

    #[test]
    fn the_tenancys_realm_decides_where_it_is_a_known_one() {
        let region = parse("xx-newplace-1").unwrap().region;
        for (ocid, domain) in [
            ("ocid1.tenancy.oc19..aaaa", "oraclecloud.eu"),
            (
                "ocid1.tenancy.oc4.uk-gov-london-1.aaaa",
                "oraclegovcloud.uk",
            ),
            ("ocid1.tenancy.oc999..aaaa", "oraclecloud.com"),
            ("ocid1.tenancy", "oraclecloud.com"),
            ("tenancy.x.oc19..aaaa", "oraclecloud.com"),
            ("", "oraclecloud.com"),
        ] {
            let expected = format!("inference.generativeai.xx-newplace-1.oci.{domain}");
            assert_eq!(inference_host(&region, ocid), expected, "{ocid}");
        }
        assert_eq!(domain_of_ocid(TENANCY), Some("oraclecloud.com"));
        assert_eq!(
            domain_of_ocid("ocid1.user.oc52..a"),
            Some("oraclecloud52.com")
        );
        assert_eq!(domain_of_ocid("ocid1.user.oc7..a"), None);
    }
}
