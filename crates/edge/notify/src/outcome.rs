//! What became of one attempt.

use std::time::Duration;

use cascade_wire::Receipt;

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The provider took it.
    Sent {
        /// What it gave for it.
        receipt: Receipt,
        /// A budget of [`crate::Sender::budgets`] that the provider says is used up, and for how long (wall time).
        close: Option<(String, Duration)>,
    },
    /// The provider wants to be left alone for so long: the whole budget, not just this message. No failure.
    RetryAfter {
        /// For how long, wall time.
        after: Duration,
        /// The budget that is closed: one of [`crate::Sender::budgets`].
        budget: String,
    },
    /// A passing failure, after which nothing has arrived: worth another try. What happened, without secrets.
    Failed(String),
    /// It was under way, and no answer came: it may have arrived, and another try may repeat it. What happened, without
    /// secrets.
    Unanswered(String),
    /// The provider refuses it, and will again.
    Refused {
        /// Why.
        why: Refused,
        /// What it said, without secrets.
        said: String,
    },
}

impl Outcome {
    /// The word that labels it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "sent",
            Self::RetryAfter { .. } => "retry_after",
            Self::Failed(_) => "failed",
            Self::Unanswered(_) => "ambiguous",
            Self::Refused { .. } => "refused",
        }
    }

    /// Taken, for this.
    pub(crate) const fn sent(receipt: Receipt) -> Self {
        Self::Sent { receipt, close: None }
    }

    /// Refused, and the provider said this.
    pub(crate) const fn refused(why: Refused, said: String) -> Self {
        Self::Refused { why, said }
    }
}

/// Why a provider refuses a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// The token or the signature is not good.
    Unauthorised,
    /// We may not write there: blocked, not a member.
    Forbidden,
    /// The chat, channel or hook does not exist any more.
    Gone,
    /// It makes no sense to the provider, also in plain form.
    Malformed,
    /// The target is private, loopback or link-local, and that is not allowed.
    PrivateTarget,
    /// Any other answer that will not change.
    Rejected,
}

impl Refused {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::Unauthorised,
        Self::Forbidden,
        Self::Gone,
        Self::Malformed,
        Self::PrivateTarget,
        Self::Rejected,
    ];

    /// The lower-case word that labels it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorised => "unauthorised",
            Self::Forbidden => "forbidden",
            Self::Gone => "gone",
            Self::Malformed => "malformed",
            Self::PrivateTarget => "private_target",
            Self::Rejected => "rejected",
        }
    }

    /// Whether the destination is of no more use: nothing is sent there until it is configured anew.
    pub const fn closes(self) -> bool {
        matches!(self, Self::Unauthorised | Self::Forbidden | Self::Gone | Self::PrivateTarget)
    }
}
