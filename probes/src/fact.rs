//! Facts: what an exchange measured, under keys that its probe declares once.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use crate::foreign::Foreign;

/// One measured thing.
#[derive(Clone, Debug, PartialEq)]
pub enum FactValue {
    /// A number of things, or a code.
    Count(u64),
    /// A number without a unit, such as a ratio.
    Number(f64),
    /// A duration; its key ends in `_seconds`.
    Seconds(Duration),
    /// A point in time.
    Time(SystemTime),
    /// Yes or no.
    Flag(bool),
    /// A word of a fixed set.
    Word(&'static str),
    /// A transport address.
    Address(SocketAddr),
    /// Several transport addresses.
    Addresses(Vec<SocketAddr>),
    /// Text that came from a packet.
    Text(Foreign),
    /// Several texts that came from a packet, in the packet's order.
    Texts(Vec<Foreign>),
}

/// What a probe says about one of its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactSpec {
    /// The name in reports: snake case, ending in its unit where it has one.
    pub name: &'static str,
    /// One sentence for people.
    pub help: &'static str,
    /// The metric that it is, too.
    pub metric: Option<Metric>,
    /// Whether another value of it means that the peer now says something else.
    pub is_telling: bool,
}

/// How a fact is exported. A number, a duration or a flag is the sample itself; a word is the
/// value of a label, and the sample is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Labels that never change.
    pub labels: &'static [(&'static str, &'static str)],
    /// The label that a word is the value of.
    pub word: Option<&'static str>,
}

/// The typed key under which a probe states one fact, and under which a rule reads it.
#[derive(Debug)]
pub struct FactKey<T> {
    spec: FactSpec,
    value: PhantomData<fn() -> T>,
}

impl<T: Fact> FactKey<T> {
    /// Declares a fact that reports show.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        let spec = FactSpec { name, help, metric: None, is_telling: false };
        Self { spec, value: PhantomData }
    }

    /// Declares that the fact is a metric, too, under this name.
    #[must_use]
    pub const fn metric(self, name: &'static str) -> Self {
        self.labelled(name, &[])
    }

    /// Declares that the fact is one series of a metric: the one with these labels.
    #[must_use]
    pub const fn labelled(
        mut self,
        name: &'static str,
        labels: &'static [(&'static str, &'static str)],
    ) -> Self {
        self.spec.metric = Some(Metric { name, labels, word: None });
        self
    }

    /// Declares that a word is the value of `label` of a metric that is always 1, whose name ends
    /// in `_info`.
    #[must_use]
    pub const fn info(mut self, name: &'static str, label: &'static str) -> Self {
        self.spec.metric = Some(Metric { name, labels: &[], word: Some(label) });
        self
    }

    /// Declares that another value of it means that the peer now says something else.
    #[must_use]
    pub const fn telling(mut self) -> Self {
        self.spec.is_telling = true;
        self
    }

    /// What the probe says about it.
    #[must_use]
    pub const fn spec(&self) -> FactSpec {
        self.spec
    }
}

/// A type that a fact can have.
pub trait Fact: Sized {
    /// Into the closed set of values.
    fn into_value(self) -> FactValue;
    /// Back out of it, where the value is of this type.
    fn from_value(value: &FactValue) -> Option<Self>;
}

macro_rules! fact {
    ($type:ty, $variant:ident) => {
        impl Fact for $type {
            fn into_value(self) -> FactValue {
                FactValue::$variant(self)
            }

            fn from_value(value: &FactValue) -> Option<Self> {
                if let FactValue::$variant(value) = value { Some(value.clone()) } else { None }
            }
        }
    };
}

fact!(u64, Count);
fact!(f64, Number);
fact!(Duration, Seconds);
fact!(SystemTime, Time);
fact!(bool, Flag);
fact!(&'static str, Word);
fact!(SocketAddr, Address);
fact!(Vec<SocketAddr>, Addresses);
fact!(Foreign, Text);
fact!(Vec<Foreign>, Texts);

/// All that one exchange measured, in the order of the names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(Vec<(FactSpec, FactValue)>);

impl Facts {
    /// States a fact; a later statement replaces an earlier one.
    pub fn state<T: Fact>(&mut self, key: &FactKey<T>, value: T) {
        let (spec, value) = (key.spec, value.into_value());
        match self.place(spec.name) {
            Ok(place) => self.0[place] = (spec, value),
            Err(place) => self.0.insert(place, (spec, value)),
        }
    }

    /// Takes in what was measured apart from the exchange; a statement of its own stays.
    pub fn complete(&mut self, others: &Self) {
        for (spec, value) in &others.0 {
            if let Err(place) = self.place(spec.name) {
                self.0.insert(place, (*spec, value.clone()));
            }
        }
    }

    /// The value of a fact, where the exchange stated it.
    #[must_use]
    pub fn read<T: Fact>(&self, key: &FactKey<T>) -> Option<T> {
        let place = self.place(key.spec.name).ok()?;
        T::from_value(&self.0[place].1)
    }

    /// Every fact with what its probe says about it.
    pub fn iter(&self) -> impl Iterator<Item = (FactSpec, &FactValue)> {
        self.0.iter().map(|(spec, value)| (*spec, value))
    }

    /// Whether there is something that tells, and `other` tells the same. Several texts are the
    /// same in any order.
    #[must_use]
    pub fn tells_the_same(&self, other: &Self) -> bool {
        self.telling().next().is_some() && self.telling().eq(other.telling())
    }

    /// Whether anything here tells what the peer says.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        self.telling().next().is_some()
    }

    fn telling(&self) -> impl Iterator<Item = (&'static str, FactValue)> {
        self.0.iter().filter(|(spec, _)| spec.is_telling).map(|(spec, value)| {
            let mut value = value.clone();
            if let FactValue::Texts(texts) = &mut value {
                texts.sort();
            }
            (spec.name, value)
        })
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by_key(&name, |(spec, _)| spec.name)
    }
}
