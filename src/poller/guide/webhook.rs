//! The webhook by which the vendor hints at a trunk's change: the one thing that is ever written.

use serde_json::{Value, json};

use crate::poller::client::{Client, Verb};
use crate::poller::failed::Failed;
use crate::poller::path::Path;
use crate::telephony::ApiProblem;

const WEBHOOKS: &str = "/api/v2/webhooks";

/// Asks the vendor to call `url` whenever a trunk's registration changes. One that is there already
/// is as good as a new one.
pub(in crate::poller) async fn subscribe(client: &Client, url: &str) -> Result<(), Failed> {
    let path = Path::fixed(WEBHOOKS);
    match client.order(Verb::MakeOnce, &path, &[], Some(&body(url))).await {
        Ok(_) => Ok(()),
        Err(failed) if is_there(&failed.problem) => Ok(()),
        Err(failed) => Err(failed),
    }
}

/// The body of the guide.
fn body(url: &str) -> Value {
    json!({
        "name": "SIP Trunk Status Monitor",
        "callbackUrl": url,
        "subscription": {
            "eventName": "telephony:siptrunk:status",
            "subscriptionId": "siptrunk-monitoring-sync",
        },
        "enabled": true,
        // Whoever receives it sees to it who may call.
        "authMethod": "none",
    })
}

/// RFC 9110 §15.5.10
const fn is_there(problem: &ApiProblem) -> bool {
    matches!(problem, ApiProblem::Conflict { status: 409, .. })
}
