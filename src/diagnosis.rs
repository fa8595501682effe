//! What the evidence means: findings, worst first, and a verdict.

use std::collections::BTreeSet;

use branchline_probes::Foreign;

use crate::contradiction::{self, Contradiction};
use crate::correlation::{Case, Evidence};
use crate::telephony::{PartState, Reference};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Phones will not work, or calls will fail.
    Blocking,
    /// It works, and somebody should look.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// Blocking where something is concerned on which the phones here depend, such as a required
    /// check; a warning elsewhere.
    #[must_use]
    pub const fn where_required(is_required: bool) -> Self {
        if is_required { Self::Blocking } else { Self::Warning }
    }

    /// The word that metrics and reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The host on which branchline runs.
    ThisHost,
    /// Whoever runs the firewall and switches of the site.
    SiteNetwork,
    /// Whoever sells the uplink.
    InternetProvider,
    /// Whoever runs the nameservers.
    Dns,
    /// The telephony vendor.
    Vendor,
    /// The carrier behind a trunk.
    Carrier,
    /// Whoever keeps the accounts.
    Credentials,
    /// Whoever configured the trunk, the site or branchline.
    Configuration,
    /// Whoever looks after the desk phones.
    Phones,
}

impl Owner {
    /// The word that metrics and reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ThisHost => "this-host",
            Self::SiteNetwork => "site-network",
            Self::InternetProvider => "internet-provider",
            Self::Dns => "dns",
            Self::Vendor => "vendor",
            Self::Carrier => "carrier",
            Self::Credentials => "credentials",
            Self::Configuration => "configuration",
            Self::Phones => "phones",
        }
    }
}

/// Where a piece of evidence comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something that was seen on site.
    Observation,
    /// Something that the vendor says.
    State,
}

impl Kind {
    /// The word that reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Observation => "observation",
            Self::State => "state",
        }
    }
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhibit {
    /// Where it comes from.
    pub kind: Kind,
    /// Of what it speaks: `register@registrar (192.0.2.9:5060)` or `trunk Carrier A`.
    pub reference: String,
    /// What it says.
    pub text: String,
}

impl Exhibit {
    /// What was seen in one case.
    #[must_use]
    pub fn of_case(case: &Case) -> Self {
        let text = match case.failure() {
            Some(failure) => failure.to_string(),
            None => format!("works, in {:.1} ms", case.observation.elapsed.as_secs_f64() * 1e3),
        };
        Self { kind: Kind::Observation, reference: case.observation.reference(), text }
    }

    /// What was measured in one case.
    #[must_use]
    pub fn measured(case: &Case, text: impl ToString) -> Self {
        let reference = case.observation.reference();
        Self { kind: Kind::Observation, reference, text: text.to_string() }
    }

    /// What the vendor says of one thing.
    #[must_use]
    pub fn of_state(reference: String, text: impl ToString) -> Self {
        Self { kind: Kind::State, reference, text: text.to_string() }
    }
}

/// One conclusion of one rule, with the evidence on which it rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id.
    pub rule: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Who can mend it.
    pub owner: Owner,
    /// What it is about.
    pub subject: String,
    /// What is wrong, in one sentence.
    pub summary: String,
    /// Why we say so.
    pub evidence: Vec<Exhibit>,
    /// What to do, or what to ask for.
    pub next_step: String,
    /// The findings that it hides, as `rule: subject`.
    pub explains: Vec<String>,
    /// The vendor's id of what it is about, since two things may have one name.
    id: Option<Foreign>,
    covers: Vec<(&'static str, Covered)>,
}

/// Which findings of a rule another one explains.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Covered {
    All,
    Subject(String),
    Id(Foreign),
}

impl Finding {
    /// A finding of `rule`, still without evidence.
    #[must_use]
    pub fn new(
        rule: &Rule,
        severity: Severity,
        owner: Owner,
        subject: impl ToString,
        summary: impl ToString,
    ) -> Self {
        Self {
            rule: rule.id,
            severity,
            owner,
            subject: subject.to_string(),
            summary: summary.to_string(),
            evidence: Vec::new(),
            next_step: rule.remedy.to_owned(),
            explains: Vec::new(),
            id: None,
            covers: Vec::new(),
        }
    }

    /// Says which thing of the vendor's it is about, for findings that explain it.
    #[must_use]
    pub fn about(mut self, thing: &Reference) -> Self {
        self.id = Some(thing.id.clone());
        self
    }

    /// Adds evidence.
    #[must_use]
    pub fn because(mut self, exhibits: impl IntoIterator<Item = Exhibit>) -> Self {
        self.evidence.extend(exhibits);
        self
    }

    /// Says what to do, where the rule's own remedy is too general.
    #[must_use]
    pub fn next(mut self, step: impl ToString) -> Self {
        self.next_step = step.to_string();
        self
    }

    /// Declares that it explains every finding of these rules.
    #[must_use]
    pub fn covering(mut self, rules: &[&'static str]) -> Self {
        self.covers.extend(rules.iter().map(|rule| (*rule, Covered::All)));
        self
    }

    /// Declares that it explains the finding of a rule about one subject.
    #[must_use]
    pub fn covering_subject(mut self, rule: &'static str, subject: impl ToString) -> Self {
        self.covers.push((rule, Covered::Subject(subject.to_string())));
        self
    }

    /// Declares that it explains the finding of a rule about one thing of the vendor's.
    #[must_use]
    pub fn covering_thing(mut self, rule: &'static str, thing: &Reference) -> Self {
        self.covers.push((rule, Covered::Id(thing.id.clone())));
        self
    }

    fn explains(&self, other: &Self) -> bool {
        self.covers.iter().filter(|(rule, _)| *rule == other.rule).any(|(_, covered)| match covered
        {
            Covered::All => true,
            Covered::Subject(subject) => *subject == other.subject,
            Covered::Id(id) => other.id.as_ref() == Some(id),
        })
    }
}

/// How one kind of fault is recognised: a pure function over the evidence.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The id: part of the contract, since alerts and tickets quote it.
    pub id: &'static str,
    /// What a finding of it means.
    pub meaning: &'static str,
    /// From what it is concluded.
    pub decided_by: &'static str,
    /// What would prove it wrong.
    pub falsified_by: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// The conclusion itself.
    pub judge: fn(&Evidence) -> Vec<Finding>,
}

/// Whether phones may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They may.
    Go,
    /// They may, and somebody should look at something.
    GoWithWarnings,
    /// They may not.
    NoGo,
    /// Nothing speaks against it, and not everything could be seen.
    Inconclusive,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Go, Self::GoWithWarnings, Self::NoGo, Self::Inconclusive];

    /// The word that metrics and reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::GoWithWarnings => "go_with_warnings",
            Self::NoGo => "no_go",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// The findings at one moment, worst first, and what follows from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Whether phones may come.
    pub verdict: Verdict,
    /// What is wrong; what a root cause explains is not repeated.
    pub findings: Vec<Finding>,
    /// Failures that no finding speaks of.
    pub unexplained: Vec<Exhibit>,
    /// What could not be seen, and is needed for a go.
    pub open: Vec<String>,
}

/// Draws the conclusions of all `rules` from the evidence.
#[must_use]
pub fn diagnose(evidence: &Evidence, rules: &[&Rule]) -> Diagnosis {
    let all: Vec<Finding> = rules.iter().flat_map(|rule| (rule.judge)(evidence)).collect();
    let unexplained: Vec<&Case> =
        evidence.cases.iter().filter(|case| case.is_down() && !is_mentioned(case, &all)).collect();
    let open = open_questions(evidence);
    let findings = settle(all);
    let verdict = verdict(&findings, &unexplained, &open);
    let unexplained = unexplained.into_iter().map(Exhibit::of_case).collect();
    Diagnosis { verdict, findings, unexplained, open }
}

fn is_mentioned(case: &Case, findings: &[Finding]) -> bool {
    let reference = case.observation.reference();
    let mut exhibits = findings.iter().flat_map(|finding| &finding.evidence);
    exhibits.any(|exhibit| exhibit.reference == reference)
}

/// Root causes swallow what they explain; what is left comes worst first, a root cause before
/// others of its severity.
fn settle(all: Vec<Finding>) -> Vec<Finding> {
    let explained: Vec<BTreeSet<usize>> = (0..all.len()).map(|root| reach(&all, root)).collect();
    let is_hidden = |at: usize| {
        let roots = explained.iter().enumerate().filter(|(_, reached)| reached.contains(&at));
        roots.map(|(root, _)| root).any(|root| !explained[at].contains(&root))
    };
    let mut findings: Vec<Finding> = (0..all.len())
        .filter(|root| !is_hidden(*root))
        .map(|root| {
            let name = |at: &usize| format!("{}: {}", all[*at].rule, all[*at].subject);
            Finding { explains: explained[root].iter().map(name).collect(), ..all[root].clone() }
        })
        .collect();
    findings.sort_by_key(|finding| (finding.severity, finding.explains.is_empty()));
    findings
}

/// The places of the findings that the one at `root` explains, by way of others, too.
fn reach(all: &[Finding], root: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![root];
    while let Some(from) = open.pop() {
        for (at, finding) in all.iter().enumerate() {
            if at != root && all[from].explains(finding) && reached.insert(at) {
                open.push(at);
            }
        }
    }
    reached
}

/// What is needed for a go and was not seen.
fn open_questions(evidence: &Evidence) -> Vec<String> {
    let unseen =
        evidence.missing.iter().map(|id| format!("{}@{} was not run", id.module, id.target));
    let undecided = evidence
        .cases
        .iter()
        .filter(|case| case.required && !case.is_up() && !case.is_down())
        .map(|case| format!("{} is undecided", case.observation.reference()));
    let parts = evidence.state.iter().flat_map(|state| state.parts());
    let unread = parts.filter(|part| part.name.is_vital()).filter_map(unread);
    let missing = unseen.chain(undecided).chain(unread);
    missing.chain(unmatched(evidence)).chain(unsettled(evidence)).collect()
}

/// The trunks of which the vendor was asked before it could have noticed that we register.
fn unsettled(evidence: &Evidence) -> BTreeSet<String> {
    let early = contradiction::of(evidence).filter(|it| !it.is_settled);
    early
        .map(|Contradiction { trunk, .. }| {
            format!(
                "whether the settings of trunk {} are wrong: we can register, and the vendor was \
                 asked too early to know",
                trunk.reference.name
            )
        })
        .collect()
}

/// The links of targets that lead nowhere: of what they mean nothing is known, be it misspelt here
/// or removed there.
fn unmatched(evidence: &Evidence) -> BTreeSet<String> {
    let Some(state) = &evidence.state else { return BTreeSet::new() };
    let links = &evidence.links;
    let trunks = links
        .trunks
        .iter()
        .filter(|link| state.trunks.is_current() && state.trunks_of(link).next().is_none())
        .map(|link| format!("no trunk is called `{link}` at the vendor"));
    let groups = links
        .edge_groups
        .iter()
        .filter(|link| {
            state.edge_groups.is_current() && state.edge_groups_of(link).next().is_none()
        })
        .map(|link| format!("no edge group is called `{link}` at the vendor"));
    trunks.chain(groups).collect()
}

fn unread(part: PartState<'_>) -> Option<String> {
    let name = part.name.in_words();
    if part.stale {
        Some(format!("what the vendor says of its {name} is too old"))
    } else if part.read.is_none() {
        Some(format!("what the vendor says of its {name} could not be read"))
    } else if part.unreadable > 0 {
        let all = part.count + part.unreadable;
        Some(format!("{} of {all} {name} of the vendor could not be understood", part.unreadable))
    } else {
        None
    }
}

fn verdict(findings: &[Finding], unexplained: &[&Case], open: &[String]) -> Verdict {
    let blocks = |finding: &Finding| {
        // A fault of this host says nothing of the phones.
        finding.severity == Severity::Blocking && finding.owner != Owner::ThisHost
    };
    if findings.iter().any(blocks) || unexplained.iter().any(|case| case.required) {
        Verdict::NoGo
    } else if !open.is_empty() || findings.iter().any(|it| it.severity == Severity::Blocking) {
        Verdict::Inconclusive
    } else if !unexplained.is_empty()
        || findings.iter().any(|finding| finding.severity == Severity::Warning)
    {
        Verdict::GoWithWarnings
    } else {
        Verdict::Go
    }
}
