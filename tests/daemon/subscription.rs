//! The webhook that the daemon asks the vendor for.

use crate::process::{Daemon, own_address};
use crate::tenant::Tenant;

const WEBHOOKS: &str = "POST /api/v2/webhooks";
const EDGES: &str = "GET /api/v2/telephony/providers/edges";
const SUBSCRIBE: &str =
    "\n[webhooks]\nsubscribe = \"https://branchline.example.com/webhooks/trunk-status\"\n";

fn start(tenant: &Tenant, more: &str) -> Daemon {
    let text = format!("[site]\nname = \"lyon\"\n{}{more}", tenant.telephony());
    Daemon::spawn(&text, own_address(), &[("VENDOR_SECRET", "hunter2")])
}

fn count(tenant: &Tenant, call: &str) -> usize {
    tenant.asked().iter().filter(|it| *it == call).count()
}

/// Waits until the vendor's state was read so often.
fn await_readings(daemon: &mut Daemon, tenant: &Tenant, times: usize) {
    daemon.until("a reading", |_| {
        let read = count(tenant, EDGES);
        (read >= times).then_some(()).ok_or_else(|| format!("{read} readings"))
    });
}

#[test]
fn the_vendor_is_asked_to_call_once_and_its_answer_is_told_without_the_url() {
    for (status, told) in [(201, "is asked to call"), (403, "cannot be asked to call")] {
        let tenant = Tenant::start(move |call, _| match call {
            WEBHOOKS => (status, r#"{"id":"wh-1","code":"missing.permissions"}"#.to_owned()),
            _ => (200, r#"{"entities":[]}"#.to_owned()),
        });

        let mut daemon = start(&tenant, SUBSCRIBE);

        daemon.until("the request", |_| {
            let asked = count(&tenant, WEBHOOKS);
            (asked == 1).then_some(()).ok_or_else(|| format!("{asked} requests"))
        });
        await_readings(&mut daemon, &tenant, 3);
        assert_eq!(count(&tenant, WEBHOOKS), 1);
        assert_eq!(daemon.lines_with(told).len(), 1, "{}", daemon.log());
        assert!(daemon.lines_with("trunk-status").is_empty(), "{}", daemon.log());
    }
}

#[test]
fn nothing_is_written_where_nobody_asks_for_it() {
    let tenant = Tenant::start(|_, _| (200, r#"{"entities":[]}"#.to_owned()));

    let mut daemon = start(&tenant, "");

    await_readings(&mut daemon, &tenant, 2);
    let written = tenant.asked().into_iter().filter(|call| !call.starts_with("GET "));
    let mut written: Vec<_> = written.collect();
    written.sort();
    let query = "POST /api/v2/analytics/telephony/edges/query";
    assert_eq!(written, [query, "POST /oauth/token"]);
}
