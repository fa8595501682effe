//! Which targets the DNS says whom to ask for.

use branchline::check::Whom;
use branchline::config;
use branchline_probes::PROBES;

use super::{REGISTER, parse, surroundings};

#[test]
fn only_a_name_without_a_port_is_located_and_only_by_a_module_that_can() {
    let whom = |address: &str, modules: &str| {
        let text = REGISTER
            .replace("\"sip.example.net\"", &format!("{address:?}"))
            .replace("[\"register\"]", modules)
            .replace("[[targets]]", "[modules.stun]\nprobe = \"stun-binding\"\n\n[[targets]]");
        let plan = parse(&text).expect("it is valid");
        let shown = config::show(&plan);
        let is_located = plan.checks.iter().map(|it| matches!(it.whom, Whom::Located)).collect();
        (is_located, shown.lines().find(|it| it.starts_with("address = ")).map(str::to_owned))
    };
    let found = |is_located: &[bool], line: &str| (is_located.to_vec(), Some(line.to_owned()));

    for (address, modules, expected) in [
        (
            "sip.example.net",
            "[\"register\"]",
            found(
                &[true],
                "address = \"sip.example.net\" # default ports: register as the DNS says",
            ),
        ),
        (
            "sip.example.net:5060",
            "[\"register\"]",
            found(&[false], "address = \"sip.example.net:5060\""),
        ),
        ("192.0.2.1", "[\"register\"]", found(&[false], "address = \"192.0.2.1:5060\"")),
        ("[2001:db8::1]", "[\"register\"]", found(&[false], "address = \"[2001:db8::1]:5060\"")),
        (
            "sip.example.net",
            "[\"stun\", \"register\"]",
            found(
                &[false, true],
                "address = \"sip.example.net\" \
                 # default ports: stun 3478, register as the DNS says",
            ),
        ),
        ("sip.example.net", "[\"stun\"]", found(&[false], "address = \"sip.example.net:3478\"")),
    ] {
        assert_eq!(whom(address, modules), expected, "{address} {modules}");
    }
}

#[test]
fn a_command_line_locates_a_name_without_a_port() {
    let probe = PROBES.iter().find(|it| it.name() == "sip-register").expect("it is listed");
    let words = [("address_of_record".to_owned(), "sip:probe@example.net".to_owned())];
    let whom = |target: &str| {
        let check = config::check_from_words(*probe, target, &words, &surroundings());
        check.expect("it is valid").whom
    };

    assert!(matches!(whom("sip.example.net"), Whom::Located));
    assert!(matches!(whom("sip.example.net:5060"), Whom::Host));
    assert!(matches!(whom("192.0.2.1"), Whom::Host));
}
