//! Probe: is a SIP server there?

mod exchange;

use std::sync::Arc;
use std::time::Duration;

use crate::chance::Chance;
use crate::fact::{FactKey, FactSpec};
use crate::foreign::Foreign;
use crate::joined::joined;
use crate::locate::Locator;
use crate::options::{BadOption, Kind, OptionKey, OptionSpec, Options};
use crate::probe::{Exchange, Module, Probe, TIMEOUT};
use crate::sip::facts::FACTS;
use crate::sip::settings::{self, Settings, is_user};
use crate::target::{Target, Transport};
use crate::way;

use exchange::OptionsExchange;

/// Which methods the server takes.
pub const ALLOW: FactKey<Vec<Foreign>> =
    FactKey::new("allow", "the methods that the server says it takes");

const USER: OptionKey<String> =
    OptionKey::new("user", Kind::Text, "the user part of the URI that is asked; else none");

/// A longer one would push a request beyond a datagram that RFC 3261 §18.1.1 allows.
const LONGEST_USER: usize = 128;
/// Timer F.
const WHOLE_SCHEDULE: Duration = Duration::from_secs(33);

/// The probe `sip-options`.
pub struct SipOptions;

impl Probe for SipOptions {
    fn name(&self) -> &'static str {
        "sip-options"
    }

    fn about(&self) -> &'static str {
        "is a SIP server there?"
    }

    fn sample(&self) -> &'static str {
        r#"[modules.sip-alive]
probe = "sip-options"

[[targets]]
name = "registrar"
address = "sip.example.com:5060"
modules = ["sip-alive"]
"#
    }

    fn options(&self) -> &'static [OptionSpec] {
        const { &joined::<_, 1, 10, 11>([USER.spec()], settings::OPTIONS) }
    }

    fn timeout(&self) -> Duration {
        WHOLE_SCHEDULE
    }

    fn facts(&self) -> &'static [FactSpec] {
        const { &joined::<_, 19, 8, 27>(joined::<_, 1, 18, 19>([ALLOW.spec()], FACTS), way::TLS_FACTS) }
    }

    fn module(&self, options: &Options) -> Result<Box<dyn Module>, BadOption> {
        let settings = Settings::read(options)?;
        let user = options.read(&USER);
        if let Some(user) = &user
            && (!is_user(user) || user.len() > LONGEST_USER)
        {
            return Err(BadOption {
                option: USER.spec().name,
                problem: format!("is no user of a SIP URI of at most {LONGEST_USER} bytes"),
                hint: Some("for example user = \"1001\"".to_owned()),
            });
        }
        let timeout = options.read(&TIMEOUT).unwrap_or(self.timeout());
        Ok(Box::new(SharedModule(Arc::new(OptionsModule { settings, user, timeout }))))
    }
}

/// What every exchange of one module shares.
pub(crate) struct OptionsModule {
    settings: Settings,
    user: Option<String>,
    timeout: Duration,
}

struct SharedModule(Arc<OptionsModule>);

impl Module for SharedModule {
    fn transport(&self) -> Transport {
        self.0.settings.way.transport
    }

    fn default_port(&self) -> u16 {
        self.0.settings.way.port
    }

    fn timeout(&self) -> Duration {
        self.0.timeout
    }

    fn locator(&self, host: &str, chance: Chance) -> Option<Box<dyn Locator>> {
        self.0.settings.locator(host, false, chance)
    }

    fn fails_over(&self) -> bool {
        self.0.settings.fails_over
    }

    fn begin(&self, target: &Target, chance: Chance) -> Box<dyn Exchange> {
        Box::new(OptionsExchange::new(Arc::clone(&self.0), target, chance))
    }
}
