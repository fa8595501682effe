//! The servers and networks of these tests, looked at by clients that are not ours.

use crate::branch::*;
use crate::coturn::Coturn;
use crate::stund::Stund;
use crate::process::*;

#[test]
fn look() {
    for nat in [Nat::None, Nat::PortRestricted, Nat::Symmetric, Nat::FullCone] {
        let branch = Branch::behind(nat);
        let t = std::time::Instant::now();
        {
            let _coturn = Coturn::at(&[CLOUD, CLOUD_TOO]).nat_behavior().inside(&branch.at_cloud()).start();
            let o = run(&words(&branch.at_client(), &["turnutils_natdiscovery", "-m", "-f", "-H", CLOUD]));
            println!("==== {nat:?} {:?}\n{}{}", t.elapsed(), text(&o.stdout), text(&o.stderr));
        }
        let _s = Stund::start(&branch.at_cloud(), [CLOUD, CLOUD_TOO]);
        let o = run(&words(&branch.at_client(), &["stun", CLOUD, "-v"]));
        println!("==== {nat:?} {:?} {}\n{}{}", t.elapsed(), o.status, text(&o.stdout), text(&o.stderr));
    }
}
