//! Networks: passes and runs against references, theorems.

mod oracle;
mod theorem;
