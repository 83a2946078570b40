//! Headers of 1, 10 and 1000 recipients: parsed, written, and opened from the prelude to the key of the payload.

use std::hint::black_box;

use cdoc2_benches::{Parts, SECRET};
use cdoc2_nostd::symmetric::SymmetricKey;
use cdoc2_nostd::wire::envelope::Envelope;
use cdoc2_nostd::wire::header::Header;
use cdoc2_nostd::{decrypt, encrypt};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn headers(criterion: &mut Criterion) {
    let parts = Parts::default();
    let mut group = criterion.benchmark_group("header");
    for count in [1, 10, 1000] {
        let records = parts.records(count);
        let mut buffer = vec![0; encrypt::encoded_len(&records).unwrap()];
        let envelope = encrypt::seal(&parts.fmk, &records, &mut buffer).unwrap().octets().to_vec();
        let header = Envelope::parse(&envelope).unwrap().0.header().octets();
        group.throughput(Throughput::Bytes(header.len() as u64));
        group.bench_function(BenchmarkId::new("parse", count), |b| b.iter(|| Header::parse(black_box(header)).unwrap()));
        group.bench_function(BenchmarkId::new("walk", count), |b| {
            let header = Header::parse(header).unwrap();
            b.iter(|| black_box(header).records().filter(|record| black_box(record).encrypted_fmk.len() == 32).count());
        });
        group.bench_function(BenchmarkId::new("write", count), |b| {
            b.iter(|| encrypt::seal(&parts.fmk, black_box(&records), &mut buffer).map(|sealed| sealed.octets().len()).unwrap());
        });
        group.bench_function(BenchmarkId::new("open", count), |b| {
            b.iter(|| {
                let (envelope, _) = Envelope::parse(black_box(&envelope)).unwrap();
                let record = envelope.header().records().last().unwrap();
                decrypt::unlock(envelope, &record, &mut SymmetricKey::new(SECRET)).unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, headers);
criterion_main!(benches);
