//! The API of the vendor's guide in the words of `telephony`.

use std::future::Future;
use std::time::Duration;

use super::reading::{Asking, Readings};
use crate::telephony::PartName;

/// How often a part is read; `None` where this API does not have it.
pub(super) fn pace(_part: PartName, _interval: Duration) -> Option<Duration> {
    None
}

/// Reads what is wanted.
pub(super) fn read(_asking: &Asking<'_>) -> impl Future<Output = Readings> {
    std::future::ready(Readings::default())
}
