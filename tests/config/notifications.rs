//! Whether the vendor's notifications are listened to, and where they come from.

use crate::parse;

const TELEPHONY: &str = "[site]\nname = \"lyon\"\n[telephony]\nclient_id = \"id\"\n\
                         client_secret = { env = \"MARKED\" }\n";

fn streaming_url(lines: &str) -> Option<String> {
    let plan = parse(&format!("{TELEPHONY}{lines}")).expect("it is valid");
    plan.telephony.expect("it is configured").streaming_url
}

#[test]
fn notifications_are_off_unless_they_are_wanted() {
    assert_eq!(streaming_url("region = \"eu-central-1\"\n"), None);
    assert_eq!(streaming_url("region = \"eu-central-1\"\nnotifications = false\n"), None);
}

// D-API-1
#[test]
fn they_come_from_the_streaming_host_of_the_region_the_domain_or_the_file() {
    let urls = "base_url = \"https://api.example.net\"\nlogin_url = \"https://l.example.net\"\n\
                streaming_url = \"wss://s.example.net:8443/\"\n";
    let cases = [
        ("region = \"eu-central-1\"\n", "wss://streaming.mypurecloud.de"),
        ("domain = \"use2.us-gov-pure.cloud\"\n", "wss://streaming.use2.us-gov-pure.cloud"),
        (urls, "wss://s.example.net:8443"),
    ];
    for (lines, expected) in cases {
        let url = streaming_url(&format!("{lines}notifications = true\n"));

        assert_eq!(url.as_deref(), Some(expected));
    }
}
