//! Since when phones are in their state, where the vendor does not tell.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::telephony::Phone;

/// Gives every phone of a reading that began at `now` the moment since which it is known to be in
/// its state: what the vendor tells, or what the reading before knew while the state stays the
/// same, or else `now`.
pub(super) fn carry(phones: &mut [Phone], previous: &[Phone], now: SystemTime) {
    let before: BTreeMap<&str, &Phone> =
        previous.iter().map(|phone| (phone.reference.id.as_str(), phone)).collect();
    for phone in phones.iter_mut().filter(|phone| phone.since.is_none()) {
        let before = before.get(phone.reference.id.as_str());
        let same = before.filter(|before| before.state == phone.state);
        phone.since = same.and_then(|before| before.since).or(Some(now));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use branchline_probes::Foreign;

    use super::carry;
    use crate::telephony::{Phone, PhoneState, Reference};

    fn phone(id: &str, state: PhoneState, since: Option<u64>) -> Phone {
        let reference = Reference { id: Foreign::new(id), ..Reference::default() };
        Phone { reference, state, since: since.map(at), ..Phone::default() }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_phone_is_in_its_state_since_the_first_reading_that_said_so_unless_the_vendor_tells() {
        let previous = [
            phone("stays", PhoneState::Failed, Some(100)),
            phone("changes", PhoneState::Active, Some(100)),
            phone("is told", PhoneState::Failed, Some(100)),
            phone("was not known", PhoneState::Failed, None),
            phone("goes", PhoneState::Failed, Some(100)),
        ];
        let mut phones = [
            phone("changes", PhoneState::Failed, None),
            phone("stays", PhoneState::Failed, None),
            phone("is told", PhoneState::Failed, Some(150)),
            phone("was not known", PhoneState::Failed, None),
            phone("is new", PhoneState::Failed, None),
        ];

        carry(&mut phones, &previous, at(200));

        let since = phones.map(|phone| phone.since);
        assert_eq!(since, [200, 100, 150, 200, 200].map(|seconds| Some(at(seconds))));
    }
}
