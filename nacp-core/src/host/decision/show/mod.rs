//! A decision as people read it: in a terminal, in Markdown, as a page with one picture.

mod chart;
mod html;
mod markdown;
mod text;
mod words;

pub(super) use html::page as html;
pub(super) use markdown::text as markdown;
