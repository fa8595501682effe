//! What the outputs make of the vendor's state: tables, a document, series.

mod documents;
mod office;
mod series;
mod tables;
