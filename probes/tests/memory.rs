//! What hostile servers leave behind in memory: nothing. Alone in its binary, since it looks at the
//! whole process.

mod desk;

use branchline_probes::OptionValue;
use desk::{News, Reply, Wanted, begin, millis, module, run};

/// The resident pages of this process, in bytes (`proc_pid_statm(5)`).
fn resident() -> u64 {
    const PAGE: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("it has a number of pages") * PAGE
}

/// Every probe once; a hostile server answers each request four times with what is nearly, or
/// not at all, an answer.
fn round(seed: u8, is_hostile: bool) {
    let text = |text: &str| OptionValue::Text(text.to_owned());
    let name = [("name", text("lyon.example.com"))];
    let secret = branchline_probes::Secret::new("a password".to_owned());
    let account = [("username", text("probe")), ("password", OptionValue::Secret(secret))];
    let address = [("address_of_record", text("sip:probe@lyon.example.com"))];
    let modules = [
        module("stun-binding", &[]),
        module("turn-allocation", &[]),
        module("turn-media", &account),
        module("dns-query", &name),
        module("dns-delegation", &name),
        module("sip-register", &address),
    ];
    for module in modules {
        let mut world = |wanted: Wanted<'_>| -> Reply {
            match wanted {
                Wanted::Open(_) => vec![(millis(1), News::Connected)],
                Wanted::Bytes(_, _, bytes) if is_hostile => (0..4_u8)
                    .map(|index| {
                        let mut lie = bytes.to_vec();
                        let place = usize::from(seed.wrapping_mul(31) ^ index) % lie.len();
                        lie[place] ^= index | 0x80;
                        lie.resize(lie.len() + usize::from(index) * 6_000, seed);
                        (millis(1), News::answer(lie))
                    })
                    .collect(),
                Wanted::Bytes(..) => Vec::new(),
            }
        };
        run(begin(&*module, seed).as_mut(), &mut world);
    }
}

// I4
#[test]
fn hostile_exchanges_leave_no_more_behind_than_silent_ones() {
    for seed in 0..24 {
        round(seed, true);
        round(seed, false);
    }
    let after_both = resident();

    for seed in 24..72 {
        round(seed, true);
    }

    let grown = resident().saturating_sub(after_both);
    assert!(grown <= 256 * 1024, "{grown} bytes more");
}
