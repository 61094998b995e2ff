//! alert-dispatcher: decides which alerts are told to whom, and delivers them.
//!
//! What is decided is `cascade-alerting`'s affair, what is said `cascade-message`'s, how it is sent `cascade-notify`'s, and how
//! the books are kept on Redis `cascade-bus`'s. This connects them.
