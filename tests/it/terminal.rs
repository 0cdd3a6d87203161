//! What a terminal shows at 80 and 200 columns.
