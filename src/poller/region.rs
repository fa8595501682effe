//! The vendor's regions and their domains.

/// Every published region, with the domain under which its hosts live.
///
/// The vendor adds regions, so a domain that is not listed here may still be right.
pub const REGIONS: &[(&str, &str)] = &[
    ("us-east-1", "mypurecloud.com"),
    ("us-east-2", "use2.us-gov-pure.cloud"),
    ("us-west-2", "usw2.pure.cloud"),
    ("ca-central-1", "cac1.pure.cloud"),
    ("mx-central-1", "mxc1.pure.cloud"),
    ("sa-east-1", "sae1.pure.cloud"),
    ("eu-west-1", "mypurecloud.ie"),
    ("eu-west-2", "euw2.pure.cloud"),
    ("eu-central-1", "mypurecloud.de"),
    ("eu-central-2", "euc2.pure.cloud"),
    ("eusc-de-east-1", "edee1.eusc-pure.cloud"),
    ("me-central-1", "mec1.pure.cloud"),
    ("ap-south-1", "aps1.pure.cloud"),
    ("ap-southeast-1", "apse1.pure.cloud"),
    ("ap-southeast-2", "mypurecloud.com.au"),
    ("ap-northeast-1", "mypurecloud.jp"),
    ("ap-northeast-2", "apne2.pure.cloud"),
    ("ap-northeast-3", "apne3.pure.cloud"),
];

/// The domain of a region, where it is a published one.
#[must_use]
pub fn domain(region: &str) -> Option<&'static str> {
    REGIONS.iter().find(|(name, _)| *name == region).map(|(_, domain)| *domain)
}

/// The published region to which a host of the API belongs: `api`, or a tenant's own.
pub(super) fn of_host(host: &str) -> Option<&'static str> {
    let (_, domain) = host.split_once('.')?;
    REGIONS.iter().find(|(_, of)| *of == domain).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{REGIONS, domain, of_host};

    #[test]
    fn the_regions_are_those_that_the_vendor_publishes() {
        let api: Value = serde_json::from_str(include_str!("../../tests/genesys/openapi.json"))
            .expect("the published API is JSON");
        let text = |region: &Value, key: &str| region[key].as_str().unwrap_or_default().to_owned();

        let mut published: Vec<(String, String)> = api["x-regions"]
            .as_array()
            .expect("regions")
            .iter()
            .map(|region| (text(region, "region"), text(region, "domain")))
            .collect();

        let mut ours: Vec<(String, String)> = REGIONS
            .iter()
            .map(|(name, domain)| ((*name).to_owned(), (*domain).to_owned()))
            .collect();
        ours.sort();
        published.sort();
        assert_eq!(ours, published);
    }

    #[test]
    fn a_host_of_the_api_tells_its_region_and_any_other_host_tells_none() {
        assert_eq!(of_host("api.mypurecloud.de"), Some("eu-central-1"));
        assert_eq!(of_host("acme.mypurecloud.com.au"), Some("ap-southeast-2"), "a tenant's own");
        assert_eq!(domain("eu-central-1"), Some("mypurecloud.de"));
        for host in ["mypurecloud.de", "api.acme.mypurecloud.de", "api.example.net", "127.0.0.1"] {
            assert_eq!(of_host(host), None, "{host}");
        }
    }
}
