//! Every way to a KEK, and the key schedule from there on. The same key agreement is measured with the core's own software keys and with
//! those of a host, so that the two stand side by side.

use std::hint::black_box;
use std::time::Duration;

use cdoc2::keys::{EcPrivateKey, RsaPrivateKey};
use cdoc2_benches::Fixed;
use cdoc2_nostd::ecdh::{SoftCurve, SoftKey};
use cdoc2_nostd::key::{Fmk, Kek, combine, split};
use cdoc2_nostd::{Curve, derive};
use criterion::{Criterion, criterion_group, criterion_main};

macro_rules! soft {
    ($group:ident, $name:literal, $curve:ty) => {{
        let rng = &mut Fixed(2);
        let recipient = SoftKey::<$curve>::generate(rng).unwrap();
        let sender = SoftKey::<$curve>::generate(rng).unwrap();
        $group.bench_function(concat!($name, " core"), |b| {
            b.iter(|| sender.encapsulate(black_box(recipient.public_key().octets())).unwrap());
        });
        let host = EcPrivateKey::generate(<$curve as SoftCurve>::CURVE).unwrap();
        $group.bench_function(concat!($name, " host"), |b| {
            b.iter(|| host.agree(black_box(recipient.public_key().octets())).unwrap())
        });
    }};
}

fn agreements(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ecdh");
    soft!(group, "P-384", p384::NistP384);
    soft!(group, "P-256", p256::NistP256);
    soft!(group, "P-521", p521::NistP521);
    group.bench_function("P-384 ephemeral key, host", |b| b.iter(|| EcPrivateKey::generate(Curve::Secp384r1).unwrap()));
    group.finish();
}

fn others(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kek");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for bits in [2048, 3072, 4096] {
        let key = RsaPrivateKey::generate(bits).unwrap();
        let encrypted = key.public_key().encrypt_kek(&[9; 32]).unwrap();
        group.bench_function(format!("RSA-OAEP {bits}"), |b| {
            b.iter(|| key.decrypt_kek(black_box(&encrypted), &mut [0; 32]).unwrap());
        });
    }
    group.bench_function("password, 600 000 iterations", |b| {
        let iterations = 600_000.try_into().unwrap();
        b.iter(|| derive::kek_from_password(black_box(b"password"), &[1; 32], iterations, &[2; 32], b"label").unwrap());
    });
    group.bench_function("symmetric key", |b| {
        b.iter(|| derive::kek_from_symmetric_key(black_box(&[7; 32]), &[2; 32], b"label").unwrap());
    });
    let kek = Kek::generate(&mut Fixed(3)).unwrap();
    let mut shares = [const { None }; 3];
    split(&kek, &mut shares, &mut Fixed(4)).unwrap();
    group.bench_function("three shares", |b| b.iter(|| combine(black_box(&shares).iter().flatten()).unwrap()));
    group.finish();
}

fn schedule(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule");
    group.bench_function("FMK", |b| b.iter(|| Fmk::generate(&mut Fixed(black_box(5))).unwrap()));
    let fmk = Fmk::generate(&mut Fixed(6)).unwrap();
    group.bench_function("HHK", |b| b.iter(|| derive::hhk(black_box(&fmk)).unwrap()));
    let hhk = derive::hhk(&fmk).unwrap();
    group.bench_function("MAC of 1 KiB", |b| b.iter(|| hhk.mac(black_box(&[0; 1024])).unwrap()));
    group.finish();
}

criterion_group!(benches, agreements, others, schedule);
criterion_main!(benches);
