//! FROST
pub enum Held {}
