//! JSON in which a name stands once in an object: of two values nobody knows which is meant.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A value, every object of which names a member once. RFC 8259 §4 calls what a reader makes of
/// anything else unpredictable.
///
/// It takes one from `left` for each value and each name: in memory they take up to a hundred times
/// the room that they have in a text.
#[derive(Clone, Copy)]
pub(super) struct Strict<'a> {
    pub(super) left: &'a Cell<usize>,
}

impl Strict<'_> {
    fn take<E: Error>(self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.unwrap_or_default());
        left.map(drop).ok_or_else(|| E::custom("too many values"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.take()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(entry) = entries.next_element_seed(self)? {
            array.push(entry);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.take()?;
            if object.insert(name, members.next_value_seed(self)?).is_some() {
                return Err(A::Error::custom("a name that stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde::de::DeserializeSeed as _;
    use serde_json::Value;

    use super::Strict;

    fn read(text: &str) -> Result<Value, serde_json::Error> {
        read_of(text, 1000)
    }

    fn read_of(text: &str, most: usize) -> Result<Value, serde_json::Error> {
        let left = &Cell::new(most);
        Strict { left }.deserialize(&mut serde_json::Deserializer::from_str(text))
    }

    // F15
    #[test]
    fn every_value_and_every_name_counts() {
        // Two objects, an array, four names, three scalars.
        let text = r#"{"a":[{"":0,"b":null}],"c":"d"}"#;

        assert!(read_of(text, 9).is_err());
        assert!(read_of(text, 10).is_ok());
    }

    #[test]
    fn everything_else_is_read_as_the_library_reads_it() {
        let text = r#"{"z":[null,true,-1,18446744073709551615,0.5,1e300,"é\n\ud83d\ude00",{}],"a":{"z":[]}}"#;

        let expected: Value = serde_json::from_str(text).expect("JSON");
        let value = read(text).expect("JSON");

        assert_eq!(value, expected);
        assert_eq!(value.to_string(), expected.to_string(), "in the same order");
    }

    // F16
    #[test]
    fn a_name_that_stands_twice_in_one_object_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            assert!(read(text).is_err_and(|error| error.is_data()), "{text}");
        }
        assert!(read(r#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }
}
