//! The rooms and who may use whom, asserted on the source.
