//! Probe: can a phone register, and what does the registrar hold afterwards?

mod exchange;

use std::sync::Arc;
use std::time::Duration;

use crate::chance::Chance;
use crate::digest::Credentials;
use crate::fact::{FactKey, FactSpec};
use crate::foreign::Foreign;
use crate::joined::joined;
use crate::locate::Locator;
use crate::options::{BadOption, FromOption, Kind, OptionKey, OptionSpec, Options};
use crate::probe::{Exchange, Intent, Module, Probe, TIMEOUT};
use crate::secret::Secret;
use crate::sip::facts::FACTS;
use crate::sip::settings::{self, Settings, is_user};
use crate::target::{Target, Transport};
use crate::way;
use crate::wire::sip::{AddressOfRecord, Scheme};

use exchange::RegisterExchange;

/// How the registrar let us in.
pub const MODE: FactKey<&'static str> = FactKey::new(
    "mode",
    "credentials: registered with a digest; open: registered without; challenge: none to offer; \
     mirror: nothing was registered",
);
/// The digest algorithm that was used.
pub const ALGORITHM: FactKey<&'static str> =
    FactKey::new("algorithm", "the digest algorithm that was used");
/// The digest algorithms on offer.
pub const ALGORITHMS: FactKey<Vec<Foreign>> =
    FactKey::new("algorithms", "the digest algorithms that the registrar offers, in its order");
/// How often the nonce had grown stale.
pub const NONCE_RENEWALS: FactKey<u64> =
    FactKey::new("nonce_renewals", "how often the registrar called the nonce stale")
        .metric("probe_sip_nonce_renewals");
/// For how long the registrar granted the binding.
pub const EXPIRES: FactKey<Duration> =
    FactKey::new("expires_seconds", "for how long the registrar granted the binding")
        .metric("probe_sip_expires_seconds");
/// For how long a binding has to be asked for, at least.
pub const MIN_EXPIRES: FactKey<Duration> =
    FactKey::new("min_expires_seconds", "the shortest binding that the registrar grants (423)");
/// Our contact as the registrar holds it.
pub const CONTACT: FactKey<Foreign> =
    FactKey::new("contact", "our contact as the registrar holds it");
/// How many contact bindings the registrar holds for the address-of-record, ours among them.
pub const BINDINGS: FactKey<u64> =
    FactKey::new("bindings", "contact bindings held for the address-of-record, ours among them")
        .metric("probe_sip_bindings");
/// Whether our contact is gone from the registrar again.
pub const REMOVED: FactKey<bool> =
    FactKey::new("removed", "whether the registrar confirms that our contact is gone")
        .metric("probe_sip_removed");
/// The way that requests to the phone's provider are to take.
pub const SERVICE_ROUTE: FactKey<Vec<Foreign>> = FactKey::new(
    "service_route",
    "the proxies that the registrar wants requests to go through (RFC 3608): recorded only",
);
/// The way by which calls would reach us.
pub const PATH: FactKey<Vec<Foreign>> =
    FactKey::new("path", "the proxies through which calls would reach us (RFC 3327)");

const ADDRESS_OF_RECORD: OptionKey<String> =
    OptionKey::new("address_of_record", Kind::SipUri, "whose registration it is: sip:user@domain")
        .required();
const CONTACT_USER: OptionKey<String> = OptionKey::new(
    "contact_user",
    Kind::Text,
    "the user part of the contact; else a name that nobody else has",
);
const USERNAME: OptionKey<String> =
    OptionKey::new("username", Kind::Text, "the digest user; else the user of address_of_record");
const PASSWORD: OptionKey<Secret> = OptionKey::new(
    "password",
    Kind::Secret,
    "the digest password; without it a challenge is the success",
);
const REALM: OptionKey<String> = OptionKey::new(
    "realm",
    Kind::Text,
    "the only realm that gets the password; else the domain of address_of_record",
);
const BINDING_EXPIRES: OptionKey<Duration> = OptionKey::new(
    "expires",
    Kind::Duration,
    "how long the binding would hold if it could not be removed: at most 60s",
)
.default("60s");
const EVERY: OptionKey<Duration> = OptionKey::new(
    "every",
    Kind::Duration,
    "the shortest interval that a target may set: registrars count",
)
.default("60s");
const ALLOW_CLEARTEXT: OptionKey<bool> = OptionKey::new(
    "allow_cleartext",
    Kind::Flag,
    "answer challenges over a transport that others can read",
)
.default("false");
const ALLOW_MD5: OptionKey<bool> =
    OptionKey::new("allow_md5", Kind::Flag, "answer a challenge that offers nothing but MD5")
        .default("false");

const LONGEST_BINDING: Duration = Duration::from_secs(60);
/// Who may register more often than once a second needs another tool.
const SHORTEST_EVERY: Duration = Duration::from_secs(1);
/// Timer F for the registration, and 8 s to take it back.
const WHOLE_SCHEDULE: Duration = Duration::from_secs(40);
/// Longer texts would push a request beyond a datagram that RFC 3261 §18.1.1 allows.
const LONGEST_TEXT: usize = 128;

/// The probe `sip-register`.
pub struct SipRegister;

impl Probe for SipRegister {
    fn name(&self) -> &'static str {
        "sip-register"
    }

    fn about(&self) -> &'static str {
        "can a phone register, and what does the registrar hold?"
    }

    fn sample(&self) -> &'static str {
        r#"[modules.register]
probe = "sip-register"
address_of_record = "sip:probe-lyon@sip.example.com"
password = { credential = "sip-password" }
allow_cleartext = true

[[targets]]
name = "registrar"
address = "sip.example.com:5060"
modules = ["register"]
"#
    }

    fn options(&self) -> &'static [OptionSpec] {
        const {
            &joined::<_, 9, 10, 19>(
                [
                    ADDRESS_OF_RECORD.spec(),
                    CONTACT_USER.spec(),
                    USERNAME.spec(),
                    PASSWORD.spec(),
                    REALM.spec(),
                    BINDING_EXPIRES.spec(),
                    EVERY.spec(),
                    ALLOW_CLEARTEXT.spec(),
                    ALLOW_MD5.spec(),
                ],
                settings::OPTIONS,
            )
        }
    }

    fn timeout(&self) -> Duration {
        WHOLE_SCHEDULE
    }

    fn facts(&self) -> &'static [FactSpec] {
        const {
            &joined::<_, 11, 26, 37>(
                [
                    MODE.spec(),
                    ALGORITHM.spec(),
                    ALGORITHMS.spec(),
                    NONCE_RENEWALS.spec(),
                    EXPIRES.spec(),
                    MIN_EXPIRES.spec(),
                    CONTACT.spec(),
                    BINDINGS.spec(),
                    REMOVED.spec(),
                    SERVICE_ROUTE.spec(),
                    PATH.spec(),
                ],
                joined::<_, 18, 8, 26>(FACTS, way::TLS_FACTS),
            )
        }
    }

    fn module(&self, options: &Options) -> Result<Box<dyn Module>, BadOption> {
        let mut settings = Settings::read(options)?;
        let text = options.require(&ADDRESS_OF_RECORD)?;
        let address_of_record = AddressOfRecord::read(&text).map_err(|bad| {
            let example = "write it as in address_of_record = \"sip:probe-lyon@sip.example.com\"";
            bad_option(&ADDRESS_OF_RECORD, format!("is no address-of-record: {bad}"), Some(example))
        })?;
        let is_private = settings.way.transport == Transport::Tls;
        let is_secure = address_of_record.scheme() == Scheme::Sips;
        if is_secure && !is_private && !settings.is_open {
            let problem = format!("asks for TLS, and goes over {}", settings.way.transport.label());
            let hint = "set transport = \"tls\", or write it with sip:";
            return Err(bad_option(&ADDRESS_OF_RECORD, problem, Some(hint)));
        }
        if is_secure && settings.is_open {
            // RFC 3261 §26.2.2; where nothing is to be looked up, nobody else says so.
            settings.way.transport = Transport::Tls;
        }
        let contact_user = options.read(&CONTACT_USER);
        if contact_user.as_deref().is_some_and(|user| !is_user(user)) {
            let problem = "is no user of a SIP URI".to_owned();
            let example = "for example contact_user = \"1001\"";
            return Err(bad_option(&CONTACT_USER, problem, Some(example)));
        }
        let username = options.read(&USERNAME).unwrap_or_else(|| address_of_record.user().into());
        let realm = options.read(&REALM).unwrap_or_else(|| address_of_record.host().into());
        for (key, text) in [
            (&ADDRESS_OF_RECORD, Some(&text)),
            (&CONTACT_USER, contact_user.as_ref()),
            (&USERNAME, Some(&username)),
            (&REALM, Some(&realm)),
        ] {
            if text.is_some_and(|text| text.len() > LONGEST_TEXT) {
                let problem = format!("is longer than {LONGEST_TEXT} bytes");
                return Err(bad_option(key, problem, None));
            }
        }
        let expires = options.require(&BINDING_EXPIRES)?;
        if expires > LONGEST_BINDING || expires.subsec_nanos() != 0 {
            let problem = "must be whole seconds, 60s or less".to_owned();
            let hint = "a binding that outlives a crash must not live long";
            return Err(bad_option(&BINDING_EXPIRES, problem, Some(hint)));
        }
        let every = options.require(&EVERY)?;
        if every < SHORTEST_EVERY {
            let hint = "a registrar is asked once a minute where nothing is set";
            return Err(bad_option(&EVERY, "must be 1s or more".to_owned(), Some(hint)));
        }
        let password = options.read(&PASSWORD);
        let allow_cleartext = options.require(&ALLOW_CLEARTEXT)?;
        if password.is_some() && !is_private && !settings.is_open && !allow_cleartext {
            let problem = format!(
                "would answer challenges over {}, where others can read the answer and guess at \
                 leisure",
                settings.way.transport.label()
            );
            let hint = "register over tls, or set allow_cleartext = true if the phones of this \
                        site do the same, and give the probe an account of its own";
            return Err(bad_option(&PASSWORD, problem, Some(hint)));
        }
        if password.is_some() && settings.is_mirror {
            let problem = "has no meaning for a mirror, which gives back all that it receives";
            return Err(bad_option(&PASSWORD, problem.to_owned(), Some("leave it out")));
        }
        Ok(Box::new(SharedModule(Arc::new(RegisterModule {
            claim: claim(&address_of_record),
            settings,
            address_of_record,
            contact_user,
            credentials: password.map(|password| Credentials { username, password, realm }),
            // At most 60.
            expires: u32::try_from(expires.as_secs()).unwrap_or_default(),
            every,
            allow_md5: options.require(&ALLOW_MD5)?,
            allow_cleartext,
            timeout: options.read(&TIMEOUT).unwrap_or(self.timeout()),
        }))))
    }
}

/// What names one account, however its address-of-record is written.
fn claim(address_of_record: &AddressOfRecord) -> String {
    format!("{}@{}", address_of_record.user(), address_of_record.host().to_ascii_lowercase())
}

fn bad_option<T: FromOption>(key: &OptionKey<T>, problem: String, hint: Option<&str>) -> BadOption {
    BadOption { option: key.spec().name, problem, hint: hint.map(str::to_owned) }
}

/// What every exchange of one module shares.
pub(crate) struct RegisterModule {
    settings: Settings,
    address_of_record: AddressOfRecord,
    claim: String,
    contact_user: Option<String>,
    credentials: Option<Credentials>,
    expires: u32,
    every: Duration,
    allow_md5: bool,
    allow_cleartext: bool,
    timeout: Duration,
}

struct SharedModule(Arc<RegisterModule>);

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

    fn claim(&self) -> Option<&str> {
        // A mirror holds nothing.
        (!self.0.settings.is_mirror).then_some(&self.0.claim)
    }

    fn shortest_interval(&self) -> Duration {
        self.0.every
    }

    fn locator(&self, host: &str, chance: Chance) -> Option<Box<dyn Locator>> {
        let is_secure = self.0.address_of_record.scheme() == Scheme::Sips;
        self.0.settings.locator(host, is_secure, chance)
    }

    fn fails_over(&self) -> bool {
        self.0.settings.fails_over
    }

    fn begin(&self, target: &Target, chance: Chance) -> Box<dyn Exchange> {
        Box::new(RegisterExchange::new(Arc::clone(&self.0), target, chance))
    }

    fn undo(&self, target: &Target, intent: &Intent, chance: Chance) -> Option<Box<dyn Exchange>> {
        let module = Arc::clone(&self.0);
        Some(Box::new(RegisterExchange::taking_back(module, target, intent.mark?, chance)))
    }
}
