//! What a token shows of its keys without a PIN.

use cdoc2::core::Curve;
use cdoc2::keys::{Certificate, EcPublicKey, PublicKey, RsaPublicKey};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use token_proto::tlv;

use super::Error;

/// A key pair of a token.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) slot: Slot,
    pub(super) public_key: PublicKey,
    /// Its certificate in DER, where that is what the token shows.
    pub(super) certificate: Option<Vec<u8>>,
    /// `CKA_ID`, by which its private half is found; perhaps empty.
    id: Vec<u8>,
    /// `CKA_LABEL`, by which it is found then.
    label: Vec<u8>,
}

impl Key {
    /// The keys of the token in `slot`. Objects that cannot be understood are passed over.
    pub(super) fn all(slot: Slot, session: &Session) -> Result<Vec<Self>, Error> {
        let mut keys = Vec::new();
        for class in [ObjectClass::CERTIFICATE, ObjectClass::PUBLIC_KEY] {
            for object in session.find_objects(&[Attribute::Class(class)])? {
                let attributes = Attributes::read(object, session)?;
                let certificate = match class {
                    ObjectClass::CERTIFICATE => Certificate::parse(&attributes.value).ok(),
                    _ => None,
                };
                let public_key = match &certificate {
                    Some(certificate) => Some(certificate.public_key().clone()),
                    None if class == ObjectClass::CERTIFICATE => None,
                    None => attributes.public_key(),
                };
                if let Some(public_key) = public_key {
                    let certificate = certificate.map(|certificate| certificate.as_der().to_vec());
                    keys.push(Self { slot, public_key, certificate, id: attributes.id, label: attributes.label });
                }
            }
        }
        Ok(keys)
    }

    pub(super) fn has_label(&self, label: &str) -> bool {
        self.label == label.as_bytes()
    }

    /// Its private half; whoever uses the token is logged in.
    pub(super) fn private_key(&self, session: &Session) -> Result<ObjectHandle, Error> {
        let key_type = match self.public_key {
            PublicKey::Ec(_) => KeyType::EC,
            PublicKey::Rsa(_) => KeyType::RSA,
        };
        let name = if self.id.is_empty() { Attribute::Label(self.label.clone()) } else { Attribute::Id(self.id.clone()) };
        let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::KeyType(key_type), name];
        session.find_objects(&template)?.first().copied().ok_or(Error::NoPrivateKey)
    }
}

/// Attributes of a certificate or a public key, as far as it has them.
#[derive(Default)]
struct Attributes {
    value: Vec<u8>,
    id: Vec<u8>,
    label: Vec<u8>,
    ec_params: Vec<u8>,
    ec_point: Vec<u8>,
    modulus: Vec<u8>,
    public_exponent: Vec<u8>,
}

impl Attributes {
    fn read(object: ObjectHandle, session: &Session) -> Result<Self, Error> {
        const WANTED: [AttributeType; 7] = [
            AttributeType::Value,
            AttributeType::Id,
            AttributeType::Label,
            AttributeType::EcParams,
            AttributeType::EcPoint,
            AttributeType::Modulus,
            AttributeType::PublicExponent,
        ];
        let mut all = Self::default();
        for attribute in session.get_attributes(object, &WANTED)? {
            match attribute {
                Attribute::Value(octets) => all.value = octets,
                Attribute::Id(octets) => all.id = octets,
                Attribute::Label(octets) => all.label = octets,
                Attribute::EcParams(octets) => all.ec_params = octets,
                Attribute::EcPoint(octets) => all.ec_point = octets,
                Attribute::Modulus(octets) => all.modulus = octets,
                Attribute::PublicExponent(octets) => all.public_exponent = octets,
                _ => {}
            }
        }
        Ok(all)
    }

    fn public_key(&self) -> Option<PublicKey> {
        if !self.modulus.is_empty() {
            return RsaPublicKey::from_numbers(&self.modulus, &self.public_exponent).ok().map(PublicKey::Rsa);
        }
        let curve = Curve::ALL.into_iter().find(|curve| object_identifier(*curve) == self.ec_params)?;
        // An OCTET STRING around the point is what the standard says; some give the point alone.
        let point = match tlv::only(&self.ec_point, 0x04) {
            Ok(point) if self.ec_point.len() != curve.point_len() => point,
            _ => &self.ec_point,
        };
        EcPublicKey::new(curve, point).ok().map(PublicKey::Ec)
    }
}

/// `CKA_EC_PARAMS` of a named curve: its OBJECT IDENTIFIER in DER (RFC 5480, 2.1.1.1).
fn object_identifier(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::Secp384r1 => b"\x06\x05\x2B\x81\x04\x00\x22",
        Curve::Secp256r1 => b"\x06\x08\x2A\x86\x48\xCE\x3D\x03\x01\x07",
        Curve::Secp521r1 => b"\x06\x05\x2B\x81\x04\x00\x23",
    }
}
