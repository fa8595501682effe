//! Limits of one's own.

use branchline::profile::{Limit, Measure};

use super::{EXAMPLE, MINIMAL, parse};

/// The example, held to limits of its own.
pub(super) fn with_a_profile() -> String {
    let site = "name = \"my-branch\"\nprofile = \"office\"\n\n[profiles.office]\n\
                base = \"byoc-trunk\"\nrtt_warn = \"150ms\"\nloss_fail = 0.03\nmos_warn = 4\n\
                certificate_left_warn = \"21d 12h\"\n";
    EXAMPLE.replacen("name = \"my-branch\"\n", site, 1)
}

#[test]
fn a_profile_of_one_s_own_is_its_base_but_for_what_it_sets() {
    let profile = parse(&with_a_profile()).expect("it is valid").profile;

    let limit = |measure| {
        let Limit { warn, fail } = profile.limit(measure);
        (warn, fail)
    };
    assert_eq!((profile.name(), profile.base()), ("office", Some("byoc-trunk")));
    assert_eq!(limit(Measure::RoundTrip), (0.15, 0.3));
    assert_eq!(limit(Measure::Loss), (0.005, 0.03));
    assert_eq!(limit(Measure::Mos), (4.0, 3.6));
    assert_eq!(limit(Measure::Jitter), (0.02, 0.03));
    assert_eq!(limit(Measure::NatLifetime), (300.0, 90.0));
    assert_eq!(limit(Measure::CertificateLeft), (1_857_600.0, 259_200.0));
}

#[test]
fn a_profile_that_nobody_uses_is_validated_all_the_same() {
    let unused = format!("{MINIMAL}\n[profiles.office]\n");

    assert_eq!(parse(&unused).expect("it is valid").profile.name(), "sip-phone");
    assert!(parse(&format!("{unused}loss_warn = 1.5\n")).is_err());
    assert!(parse(&format!("{unused}mos_fail = nan\n")).is_err());
}
