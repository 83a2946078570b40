//! The payload in chunks of several sizes: encrypted, decrypted, and authenticated alone.

use std::hint::black_box;

use cdoc2_benches::{Parts, SECRET};
use cdoc2_nostd::symmetric::SymmetricKey;
use cdoc2_nostd::wire::envelope::Envelope;
use cdoc2_nostd::{decrypt, encrypt};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Octets of the payload that is measured.
const LEN: usize = 1 << 20;

fn payload(criterion: &mut Criterion) {
    let parts = Parts::default();
    let records = parts.records(1);
    let mut buffer = vec![0; encrypt::encoded_len(&records).unwrap()];
    let sealed = encrypt::seal(&parts.fmk, &records, &mut buffer).unwrap();
    let envelope = sealed.octets().to_vec();
    let (parsed, _) = Envelope::parse(&envelope).unwrap();
    let record = parsed.header().records().last().unwrap();
    let verified = decrypt::unlock(parsed, &record, &mut SymmetricKey::new(SECRET)).unwrap();

    let mut group = criterion.benchmark_group("payload");
    group.throughput(Throughput::Bytes(LEN as u64));
    let mut octets = vec![0x5A; LEN];
    for chunk_len in [64, 1024, 16 * 1024, 128 * 1024] {
        group.bench_function(BenchmarkId::new("encrypt", chunk_len), |b| {
            b.iter(|| {
                let mut encryptor = sealed.encryptor(&[1; 12]).unwrap();
                octets.chunks_mut(chunk_len).try_for_each(|chunk| encryptor.encrypt(chunk)).unwrap();
                black_box(encryptor.finish())
            });
        });
        group.bench_function(BenchmarkId::new("decrypt", chunk_len), |b| {
            b.iter(|| {
                let mut decryptor = verified.decryptor(&[1; 12]).unwrap();
                octets.chunks_mut(chunk_len).try_for_each(|chunk| decryptor.decrypt(chunk).map(|_| ())).unwrap();
                black_box(decryptor.finish(&[0; 16]))
            });
        });
        group.bench_function(BenchmarkId::new("authenticate", chunk_len), |b| {
            b.iter(|| {
                let mut authenticator = verified.authenticator(&[1; 12]).unwrap();
                octets.chunks(chunk_len).try_for_each(|chunk| authenticator.update(chunk)).unwrap();
                black_box(authenticator.finish(&[0; 16]))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, payload);
criterion_main!(benches);
