//! What `config show` prints: the plan, every default filled in.

use branchline::config::{self, EXAMPLE};

use super::names::{NAMES_OF_EVERY_TEXT, with_names};
use super::profiles::with_a_profile;
use super::{EVERY_TEXT, MINIMAL, REGISTER, parse, surroundings};

#[test]
fn the_hosts_of_a_tenant_are_below_its_domain() {
    let shown = |more: &str| {
        let text = format!(
            "[site]\nname = \"lyon\"\n\n[telephony]\nprofile = \"guide\"\ntenant = \"ACME\"\n\
             client_id = \"id\"\nclient_secret = {{ env = \"MARKED\" }}\n{more}"
        );
        let surroundings =
            surroundings().with_variable("SIGNED", "0123456789abcdef0123456789abcdef");
        let plan = config::parse("branchline.toml", &text, &surroundings).expect("it is valid");
        let text = config::show(&plan);
        let begin = text.find("[telephony]").expect("it is shown");
        text[begin..].split("\n[web]").next().expect("a beginning").to_owned()
    };
    let at = |domain: &str, more: &str, after: &str| {
        format!(
            "[telephony]\nprofile = \"guide\"\nbase_url = \"https://acme.{domain}\"\n\
             login_url = \"https://api.{domain}\"\nclient_id = \"id\"\n\
             client_secret = \"<secret>\"\n{more}interval = \"1m\"\n{after}"
        )
    };

    assert_eq!(shown(""), at("mypurecloud.com", "", ""));
    assert_eq!(shown("region = \"eu-central-1\"\n"), at("mypurecloud.de", "", ""));
    assert_eq!(shown("domain = \"inindca.com\"\n"), at("inindca.com", "", ""));
    let scopes = "scopes = [\"telephony:edge:read\"]\n";
    let hook =
        "\n[webhooks]\nsubscribe = \"https://branchline.example.com/webhooks/trunk-status\"\n";
    assert_eq!(shown(&format!("{scopes}{hook}")), at("mypurecloud.com", scopes, hook));
    let signed = "secrets = [{ env = \"SIGNED\" }]\n";
    let both = shown(&format!("{hook}{signed}"));
    assert!(both.contains("\n[webhooks]\nsecrets = [\"<secret>\"]\n"), "{both}");
    assert!(both.ends_with(&hook["\n[webhooks]\n".len()..]), "{both}");
    assert_eq!(both.matches("[webhooks]").count(), 1);
}

#[test]
fn the_plan_is_shown_with_every_default_filled_in() {
    let text = format!(
        "{REGISTER}trunk = \"Lyon carrier\"\n\n[telephony]\ndomain = \"example.net\"\n\
         client_id = \"id\"\nclient_secret = {{ env = \"MARKED\" }}\nlocation = \"Lyon office\"\n\
         phones = [\"Reception\", \"0004f2aabbcc\"]\n\n\
         [web]\nlisten = [\"[::]:9377\"]\ninsecure_listen = true\n"
    );
    let plan = parse(&text).expect("it is valid");

    let expected = r#"[site]
name = "lyon"
profile = "sip-phone"
# one_way_delay_warn = "250ms"
# one_way_delay_fail = "400ms"
# rtt_warn = "300ms"
# rtt_fail = "500ms"
# jitter_warn = "30ms"
# jitter_fail = "40ms"
# loss_warn = 0.01
# loss_fail = 0.02
# late_warn = 0.01
# late_fail = 0.02
# burst_loss_warn = 0.1
# burst_loss_fail = 0.3
# reorder_warn = 0.0005
# reorder_fail = 0.005
# mos_warn = 3.6
# mos_fail = 3.1
# nat_lifetime_warn = "1m 30s"
# nat_lifetime_fail = "30s"
# certificate_left_warn = "14d"
# certificate_left_fail = "3d"

[modules.register]
probe = "sip-register"
address_of_record = "sip:probe@example.net"
allow_cleartext = true
allow_md5 = false
every = "1m"
expires = "1m"
failover = false
large = false
mirror = false
password = "<secret>"
timeout = "40s"
transport = "udp"

[[targets]]
name = "registrar"
address = "sip.example.net" # default ports: register as the DNS says
modules = ["register"]
interval = "1m"
required = true
trunk = "Lyon carrier"

[telephony]
profile = "platform"
base_url = "https://api.example.net"
login_url = "https://login.example.net"
client_id = "id"
client_secret = "<secret>"
location = "Lyon office"
interval = "1m"
phones = ["0004f2aabbcc", "Reception"]

[web]
listen = ["[::]:9377"]
insecure_listen = true
"#;
    assert_eq!(config::show(&plan), expected);
}

#[test]
fn what_is_shown_means_the_same_when_it_is_read_again() {
    let names = &with_names("");
    let by_authorities =
        &with_names("[views]\nauthoritative = [\"192.0.2.1\", \"[2001:db8::1]:54\"]");
    let by_nobody = &with_names("[views]\nauthoritative = false\npublic = []");
    for text in [EXAMPLE, MINIMAL, &with_a_profile(), names, by_authorities, by_nobody] {
        let shown = config::show(&parse(text).expect("it is valid"));

        assert_eq!(config::show(&parse(&shown).expect("it is valid")), shown);
    }
    // What keeps a secret or a link is not all shown; the names are.
    let names = |text: &str| {
        let shown = config::show(&parse(text).expect("it is valid"));
        let (_, names) = shown.split_once("\n[views]\n").expect("they are shown");
        let (names, _) = names.split_once("\n[telephony]\n").unwrap_or((names, ""));
        let (names, _) = names.split_once("\n[web]\n").unwrap_or((names, ""));
        format!("[views]\n{names}")
    };
    let shown = names(EVERY_TEXT);
    assert_eq!(names(&format!("[site]\nname = \"lyon\"\n\n{shown}")), shown);
    assert_eq!(shown, NAMES_OF_EVERY_TEXT);
}
