//! Workflows that outlive their host: every word of theirs, crashes at every entry of the journal, and what is counted outside.

mod bounds;
mod chorus;
mod crashes;
mod harbour;
mod histories;
mod line;
mod moving;
mod platter;
mod pure;
mod words;
