//! How a session with a phone can end without a signature, in words for the person who holds the phone.

/// Why a service gave no signature, as it said itself. Sources: Smart-ID RP API 2.0, "HTTP status codes", "HTTP status code usage" and "Session
/// status end result codes"; Mobile-ID REST API, "Session end result codes" and "HTTP error codes".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndState {
    /// Smart-ID: `USER_REFUSED`. Mobile-ID: `USER_CANCELLED`.
    #[error("it was refused on the phone")]
    Refused,
    /// Smart-ID: `USER_REFUSED_CERT_CHOICE`. There are several accounts, and none was chosen.
    #[error("the choice of an account was cancelled on the phone")]
    RefusedAccountChoice,
    /// Smart-ID: `USER_REFUSED_DISPLAYTEXTANDPIN`.
    #[error("the PIN was not entered: it was cancelled on the phone")]
    RefusedPin,
    /// Smart-ID: `USER_REFUSED_VC_CHOICE`.
    #[error("the choice of the verification code was cancelled on the phone")]
    RefusedCodeChoice,
    /// Smart-ID: `USER_REFUSED_CONFIRMATIONMESSAGE`.
    #[error("the question on the phone was answered with no")]
    RefusedQuestion,
    /// Smart-ID: `USER_REFUSED_CONFIRMATIONMESSAGE_WITH_VC_CHOICE`.
    #[error("the question with the verification codes was cancelled on the phone")]
    RefusedQuestionWithCodeChoice,
    /// Smart-ID: `WRONG_VC`.
    #[error("another verification code was chosen on the phone than the one that is shown here")]
    WrongCode,
    /// `TIMEOUT`.
    #[error("nobody answered on the phone in time")]
    TimedOut,
    /// Smart-ID, status 404: nobody is known by this identifier.
    #[error("this person has no Smart-ID account")]
    NoAccount,
    /// Smart-ID, status 471.
    #[error("this person's Smart-ID account is not of the level that is needed")]
    NoFitAccount,
    /// Smart-ID, status 472.
    #[error("the Smart-ID app, or the self-service portal of Smart-ID, has something to say to you first")]
    SeeApp,
    /// Smart-ID: `DOCUMENT_UNUSABLE`.
    #[error("the account cannot be used: the Smart-ID app says why, or its customer support")]
    DocumentUnusable,
    /// Smart-ID: `REQUIRED_INTERACTION_NOT_SUPPORTED_BY_APP`.
    #[error("the Smart-ID app is too old to let you compare the verification code: it must be updated")]
    InteractionNotSupported,
    /// Mobile-ID: `NOT_MID_CLIENT`.
    #[error("this person has no Mobile-ID with this phone number, or its certificates are not active")]
    NotMobileId,
    /// Mobile-ID: `SIGNATURE_HASH_MISMATCH`.
    #[error("the SIM does not agree with the service about its keys: the mobile operator can help")]
    SimMismatch,
    /// Mobile-ID: `PHONE_ABSENT`.
    #[error("the phone is switched off or cannot be reached")]
    PhoneAbsent,
    /// Mobile-ID: `DELIVERY_ERROR`.
    #[error("the message to the phone could not be delivered")]
    DeliveryFailed,
    /// Mobile-ID: `SIM_ERROR`.
    #[error("the SIM answered something that is no signature")]
    SimFailed,
    /// Status 401: who asks is known by relying_party_uuid, relying_party_name and the address.
    #[error(
        "the service does not know who asks: relying_party_uuid, relying_party_name, or the address of this machine is not registered"
    )]
    UnknownRelyingParty,
    /// Status 403.
    #[error("the service does not let this relying party ask for authentication")]
    Forbidden,
    /// Smart-ID, status 480.
    #[error("the service does not support this interface any more")]
    TooOld,
    /// Smart-ID, status 580.
    #[error("the service is under maintenance")]
    Maintenance,
    /// Status 404 for a session.
    #[error("the service has forgotten the session: it has expired")]
    UnknownSession,
    /// A result that is in no document.
    #[error("the service says {0}, which is not known here")]
    Other(String),
}

impl EndState {
    /// What `endResult` of Smart-ID means; `None`: it has signed.
    pub(super) fn of_smart_id(end_result: &str) -> Option<Self> {
        Some(match end_result {
            "OK" => return None,
            "USER_REFUSED" => Self::Refused,
            "USER_REFUSED_CERT_CHOICE" => Self::RefusedAccountChoice,
            "USER_REFUSED_DISPLAYTEXTANDPIN" => Self::RefusedPin,
            "USER_REFUSED_VC_CHOICE" => Self::RefusedCodeChoice,
            "USER_REFUSED_CONFIRMATIONMESSAGE" => Self::RefusedQuestion,
            "USER_REFUSED_CONFIRMATIONMESSAGE_WITH_VC_CHOICE" => Self::RefusedQuestionWithCodeChoice,
            "WRONG_VC" => Self::WrongCode,
            "TIMEOUT" => Self::TimedOut,
            "DOCUMENT_UNUSABLE" => Self::DocumentUnusable,
            "REQUIRED_INTERACTION_NOT_SUPPORTED_BY_APP" => Self::InteractionNotSupported,
            other => Self::other(other),
        })
    }

    /// What `result` of Mobile-ID means; `None`: it has signed.
    pub(super) fn of_mobile_id(result: &str) -> Option<Self> {
        Some(match result {
            "OK" => return None,
            "USER_CANCELLED" => Self::Refused,
            "TIMEOUT" => Self::TimedOut,
            "NOT_MID_CLIENT" => Self::NotMobileId,
            "SIGNATURE_HASH_MISMATCH" => Self::SimMismatch,
            "PHONE_ABSENT" => Self::PhoneAbsent,
            "DELIVERY_ERROR" => Self::DeliveryFailed,
            "SIM_ERROR" => Self::SimFailed,
            other => Self::other(other),
        })
    }

    /// The service's own word, if it can be shown.
    fn other(word: &str) -> Self {
        let is_word = (1..=64).contains(&word.len()) && word.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
        Self::Other(if is_word { word.to_owned() } else { "nothing that can be shown".to_owned() })
    }

    /// Whether the person said no, or chose another code than the one that was shown.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::RefusedAccountChoice
                | Self::RefusedPin
                | Self::RefusedCodeChoice
                | Self::RefusedQuestion
                | Self::RefusedQuestionWithCodeChoice
                | Self::WrongCode
        )
    }

    /// Whether the same person could have more luck at once, without anything being repaired before.
    #[must_use]
    pub fn may_be_tried_again(&self) -> bool {
        match self {
            Self::Refused
            | Self::RefusedAccountChoice
            | Self::RefusedPin
            | Self::RefusedCodeChoice
            | Self::RefusedQuestion
            | Self::RefusedQuestionWithCodeChoice
            | Self::WrongCode
            | Self::TimedOut
            | Self::SeeApp
            | Self::PhoneAbsent
            | Self::DeliveryFailed
            | Self::SimFailed
            | Self::UnknownSession => true,
            Self::NoAccount
            | Self::NoFitAccount
            | Self::DocumentUnusable
            | Self::InteractionNotSupported
            | Self::NotMobileId
            | Self::SimMismatch
            | Self::UnknownRelyingParty
            | Self::Forbidden
            | Self::TooOld
            | Self::Maintenance
            | Self::Other(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_not_known_are_shown_if_they_are_words() {
        assert_eq!(EndState::of_smart_id("OK"), None);
        assert_eq!(EndState::of_mobile_id("OK"), None);
        let unknown = EndState::of_smart_id("ACCOUNT_UNUSABLE").unwrap();
        assert_eq!(unknown.to_string(), "the service says ACCOUNT_UNUSABLE, which is not known here");
        assert!(!unknown.may_be_tried_again());
        for text in ["", "\u{1b}[2J", "a b", &"A".repeat(65)] {
            let end = EndState::of_mobile_id(text).unwrap();
            assert_eq!(end.to_string(), "the service says nothing that can be shown, which is not known here");
        }
    }

    #[test]
    fn a_refusal_may_be_thought_over() {
        for word in ["USER_REFUSED", "USER_REFUSED_VC_CHOICE", "WRONG_VC"] {
            let end = EndState::of_smart_id(word).unwrap();
            assert!(end.is_refusal() && end.may_be_tried_again(), "{word}");
        }
        assert!(!EndState::TimedOut.is_refusal());
    }
}
