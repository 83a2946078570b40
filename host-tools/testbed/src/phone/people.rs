//! People whom everybody may test with: what happens is known by their personal codes and phone numbers.
//!
//! Most of the codes and numbers are those that SK ID Solutions keeps in its demonstration environments for the same ends.

use simulator::holder::{Holder, PersonalCode};

use super::smart_id::{NO_SUITABLE_ACCOUNT, SEE_APP};
use super::{Behaviour, mobile_id, smart_id};
use crate::{Algorithm, Error, Identity, Testbed, content};

use Behaviour::{Accepts, Ends, Ignores, Status};

/// Who signs by Smart-ID, or does not.
const BY_SMART_ID: &[(&str, &str, smart_id::Behaviour)] = {
    use smart_id::End;
    &[
        ("60001017727", "MAASIKAS,MARI", Accepts),
        ("40504040001", TEST, Accepts),
        ("30403039917", TEST, Ends(End::UserRefused)),
        ("30403039928", TEST, Ends(End::UserRefusedDisplayTextAndPin)),
        ("30403039939", TEST, Ends(End::UserRefusedVcChoice)),
        ("30403039946", TEST, Ends(End::UserRefusedConfirmationMessage)),
        ("30403039950", TEST, Ends(End::UserRefusedConfirmationMessageWithVcChoice)),
        ("30403039961", TEST, Ends(End::UserRefusedCertChoice)),
        ("30403039972", TEST, Ends(End::WrongVc)),
        ("30403039983", TEST, Ends(End::Timeout)),
        ("30403039994", TEST, Ignores),
        ("30403034006", TEST, Ends(End::DocumentUnusable)),
        ("30403034017", TEST, Ends(End::RequiredInteractionNotSupportedByApp)),
        ("30403034028", TEST, Status(NO_SUITABLE_ACCOUNT)),
        ("30403034039", TEST, Status(SEE_APP)),
    ]
};

/// Who signs by Mobile-ID, or does not.
const BY_MOBILE_ID: &[(&str, &str, &str, mobile_id::Behaviour)] = {
    use mobile_id::End;
    &[
        ("60001017727", "MAASIKAS,MARI", "+37200000727", Accepts),
        ("60001019906", "ÕUN,ŽANNA", "+37200000766", Accepts),
        ("60001019939", TEST, "+37200000266", Ends(End::NotMidClient)),
        ("60001019947", TEST, "+37207110066", Ends(End::DeliveryError)),
        ("60001019950", TEST, "+37201100266", Ends(End::UserCancelled)),
        ("60001019961", TEST, "+37200000666", Ends(End::SignatureHashMismatch)),
        ("60001019972", TEST, "+37201200266", Ends(End::SimError)),
        ("60001019983", TEST, "+37213100266", Ends(End::PhoneAbsent)),
        ("50001018908", TEST, "+37266000266", Ends(End::Timeout)),
        ("30403039994", TEST, "+37200000994", Ignores),
    ]
};

/// Whom Smart-ID does not know.
const WITHOUT_ACCOUNT: &str = "30403034045";

const TEST: &str = "TESTNUMBER,TEST";

/// Somebody whom everybody may test with.
#[derive(Clone, Debug)]
pub struct Person {
    /// The personal code.
    pub code: &'static str,
    /// Surname and given names, with a comma between them.
    pub name: &'static str,
    /// The number of the phone, by Mobile-ID; none by Smart-ID.
    pub phone_number: Option<&'static str>,
    /// What happens, in words.
    pub behaviour: String,
}

/// Opens accounts for all of them; who they are.
///
/// # Errors
/// No random numbers.
pub fn open_all(testbed: &Testbed) -> Result<Vec<Person>, Error> {
    let mut people = Vec::new();
    // New RSA keys take time, and most of these are never seen.
    let mut unseen: Option<Identity> = None;
    for &(code, name, behaviour) in BY_SMART_ID {
        let holder = holder(name, code)?;
        let content = content::smart_id(&holder)?;
        let authority = testbed.authority();
        let identity = match &unseen {
            Some(unseen) if behaviour != Accepts => authority.certify_again(unseen, &content)?,
            _ => authority.identity(&content, Algorithm::Rsa)?,
        };
        testbed.ocsp().register(code, identity.serial());
        testbed.smart_id().open(&holder, &identity)?.set_behaviour(behaviour);
        unseen = Some(identity);
        people.push(Person { code, name, phone_number: None, behaviour: behaviour.to_string() });
    }
    people.push(Person { code: WITHOUT_ACCOUNT, name: TEST, phone_number: None, behaviour: "has no account".into() });
    for &(code, name, phone_number, behaviour) in BY_MOBILE_ID {
        testbed.mobile_id_account(&holder(name, code)?, phone_number)?.set_behaviour(behaviour);
        people.push(Person { code, name, phone_number: Some(phone_number), behaviour: behaviour.to_string() });
    }
    Ok(people)
}

fn holder(name: &str, code: &str) -> Result<Holder, Error> {
    Ok(Holder::new(name, PersonalCode::parse(code)?)?)
}
