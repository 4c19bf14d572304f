//! Networks: passes and runs against references, theorems.

mod late;
mod oracle;
mod theorem;
