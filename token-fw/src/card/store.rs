//! A log of records over NOR flash that survives a power cut at any moment.
//!
//! The flash is two banks, one of which is in use. A record is appended to its log: header, body, and a word that commits it; the latest
//! committed record of a slot is the one that counts. When the log is full, the records that count are copied to the other bank, which
//! is then put to use by its first mark, at once and for all of them; the old bank is erased, and a last mark says so. A log whose next
//! place is not erased counts as full. The same way the whole content is replaced: personalisation and factory reset either happen or do not.
//!
//! A cut leaves a record without its commit word, or a bank without its first mark: neither counts. Anything else that does not read
//! as it was written is a fault. So is a bank that lost its first mark later, as the last mark tells. What the store cannot tell is
//! someone with tools who writes an older image of the flash back: that takes a counter in hardware.

use embedded_storage::nor_flash::NorFlash;

use super::Fault;
use super::layout::{Found, Header, Mark, Words};
use super::seal::Scratch;
use super::slot::{self, Slot};

pub(super) use super::layout::MAX_WORD_LEN;

/// The log in one bank.
pub(super) struct Log {
    /// Where the bank begins.
    base: usize,
    /// Where the next record goes, from there.
    end: usize,
    /// Where the last mark is, from there: no record may reach into it.
    limit: usize,
    /// Sequence number of the last record, of any bank.
    sequence: u32,
    /// Where the latest record of each slot is, from the base; 0 if there is none.
    latest: [usize; slot::COUNT],
}

impl Log {
    /// The sequence number of the next record.
    pub(super) fn next_sequence(&self) -> Result<u32, Fault> {
        self.sequence.checked_add(1).ok_or(Fault::Capacity)
    }

    /// Appends the record whose body is in `scratch`.
    ///
    /// # Errors
    /// [`Fault::Capacity`], with nothing written: it does not fit, or its place is not erased.
    pub(super) fn append<F: NorFlash>(&mut self, flash: &mut F, header: &Header, scratch: &Scratch) -> Result<(), Fault> {
        let body = scratch.body(header.body_len::<F>())?;
        let at = self.place(flash, header)?;
        header.write(flash, at)?;
        Words::<F>::write(flash, at.saturating_add(Words::<F>::PREFIX_LEN), body)?;
        Header::commit(flash, at)?;
        self.note::<F>(header, true);
        Ok(())
    }

    /// Appends the record at `from` in another bank as it is.
    fn adopt<F: NorFlash>(&mut self, flash: &mut F, header: &Header, from: usize) -> Result<(), Fault> {
        let at = self.place(flash, header)?;
        header.write(flash, at)?;
        let prefix = Words::<F>::PREFIX_LEN;
        Words::<F>::copy(flash, from.saturating_add(prefix), at.saturating_add(prefix), header.body_len::<F>())?;
        Header::commit(flash, at)?;
        self.note::<F>(header, true);
        Ok(())
    }

    /// Where the next record goes, if it fits.
    fn reserve<F: NorFlash>(&self, header: &Header) -> Result<usize, Fault> {
        match self.end.checked_add(header.record_len::<F>()) {
            Some(end) if end <= self.limit => Ok(self.base.saturating_add(self.end)),
            _ => Err(Fault::Capacity),
        }
    }

    /// As [`reserve`](Self::reserve), if the place is erased as well: programming only clears bits, so that a record over anything else would
    /// be committed and not open again.
    fn place<F: NorFlash>(&self, flash: &mut F, header: &Header) -> Result<usize, Fault> {
        let at = self.reserve::<F>(header)?;
        if Words::<F>::erased(flash, at, at.saturating_add(header.record_len::<F>()))? { Ok(at) } else { Err(Fault::Capacity) }
    }

    /// Counts the record at the end in.
    fn note<F: NorFlash>(&mut self, header: &Header, committed: bool) {
        if committed && let Some(place) = self.latest.get_mut(header.slot.index()) {
            *place = self.end;
        }
        self.sequence = self.sequence.max(header.sequence);
        self.end = self.end.saturating_add(header.record_len::<F>());
    }

    /// Whether the record at `at`, from the base, is the latest of its slot.
    fn counts(&self, header: &Header, at: usize) -> bool {
        self.latest.get(header.slot.index()) == Some(&at)
    }

    /// Reads the log of a bank in use, from `self.end` on.
    fn scan<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), Fault> {
        let mut last = 0;
        while let Some(at) = self.at::<F>(self.end) {
            match Header::find(flash, at)? {
                Found::Nothing => return Ok(()),
                Found::Torn => {
                    // no way past it: the next record opens the other bank
                    self.end = self.limit;
                    return Ok(());
                }
                Found::Record { header, committed } => {
                    if header.sequence <= last || self.reserve::<F>(&header).is_err() {
                        return Err(Fault::Corrupt);
                    }
                    last = header.sequence;
                    self.note::<F>(&header, committed);
                }
            }
        }
        Ok(())
    }

    /// Where in the flash a record at `at` from the base begins, if there may be one.
    fn at<F: NorFlash>(&self, at: usize) -> Option<usize> {
        let end = at.checked_add(Words::<F>::PREFIX_LEN)?;
        (end <= self.limit).then(|| self.base.saturating_add(at))
    }

    /// Where the latest record of `slot` is in the flash.
    fn locate<F: NorFlash>(&self, flash: &mut F, slot: Slot) -> Result<Option<(Header, usize)>, Fault> {
        let at = match self.latest.get(slot.index()) {
            None | Some(0) => return Ok(None),
            Some(at) => self.at::<F>(*at).ok_or(Fault::Corrupt)?,
        };
        match Header::find(flash, at)? {
            Found::Record { header, committed: true } if header.slot == slot => Ok(Some((header, at))),
            _ => Err(Fault::Corrupt),
        }
    }
}

/// The store.
pub(super) struct Store {
    bank_len: usize,
    generation: u32,
    log: Option<Log>,
    /// The bank not in use was erased since the store was opened; before, an erasing may have been cut where that does not show.
    spare_erased: bool,
    /// The flash failed while it was written: what it holds is unknown until the store is opened again.
    failed: bool,
}

impl Store {
    /// Opens what is in `flash`, and finishes what a cut interrupted.
    pub(super) fn open<F: NorFlash>(flash: &mut F) -> Result<Self, Fault> {
        let bank_len = (flash.capacity() / 2).checked_div(F::ERASE_SIZE).unwrap_or(0).saturating_mul(F::ERASE_SIZE);
        if bank_len < Words::<F>::min_bank_len() {
            return Err(Fault::Capacity);
        }
        let mut store = Self { bank_len, generation: 0, log: None, spare_erased: false, failed: false };
        let mut newest: Option<(usize, Mark)> = None;
        let mut marked = [false; 2];
        for (bank, marked) in marked.iter_mut().enumerate() {
            let base = store.base(bank);
            let first = Mark::read(flash, base)?;
            let last = Mark::read(flash, base.saturating_add(store.limit::<F>()))?;
            *marked = first.is_some();
            for mark in [first, last].into_iter().flatten() {
                if newest.is_none_or(|(_, other)| mark.generation > other.generation) {
                    newest = Some((bank, mark));
                }
            }
        }
        let Some((bank, mark)) = newest else {
            store.tidy(flash)?;
            return Ok(store);
        };
        if marked.get(bank) != Some(&true) {
            return Err(Fault::Corrupt);
        }
        let mut log = store.empty::<F>(bank, mark.sequence);
        log.scan(flash)?;
        store.generation = mark.generation;
        store.log = Some(log);
        store.tidy(flash)?;
        Ok(store)
    }

    /// Whether no slot has a record.
    pub(super) fn is_empty(&self) -> bool {
        self.log.as_ref().is_none_or(|log| log.latest.iter().all(|at| *at == 0))
    }

    /// The sequence number of the next record.
    pub(super) fn next_sequence(&self) -> Result<u32, Fault> {
        self.log.as_ref().ok_or(Fault::Blank)?.next_sequence()
    }

    /// Reads the latest record of `slot` into `scratch`, sealed as it is.
    pub(super) fn read<F: NorFlash>(&self, flash: &mut F, slot: Slot, scratch: &mut Scratch) -> Result<Option<Header>, Fault> {
        self.usable()?;
        let Some(log) = &self.log else { return Ok(None) };
        let Some((header, at)) = log.locate(flash, slot)? else { return Ok(None) };
        let body = scratch.body_mut(header.body_len::<F>())?;
        Words::<F>::read(flash, at.saturating_add(Words::<F>::PREFIX_LEN), body)?;
        Ok(Some(header))
    }

    /// Appends the record whose body is in `scratch`. It counts as soon as this succeeds, and perhaps if it fails.
    pub(super) fn append<F: NorFlash>(&mut self, flash: &mut F, header: &Header, scratch: &Scratch) -> Result<(), Fault> {
        self.usable()?;
        match self.log.as_ref().ok_or(Fault::Blank)?.place(flash, header) {
            Ok(_) => {}
            Err(Fault::Capacity) => self.compact(flash)?,
            Err(fault) => return Err(fault),
        }
        self.failed = true;
        let appended = self.log.as_mut().ok_or(Fault::Blank)?.append(flash, header, scratch);
        // without a place for it, it left everything as it was
        self.failed = !matches!(appended, Ok(()) | Err(Fault::Capacity));
        appended
    }

    /// An empty log in the bank that is not in use. It counts for nothing until [`replace`](Self::replace).
    pub(super) fn begin<F: NorFlash>(&mut self, flash: &mut F) -> Result<Log, Fault> {
        self.usable()?;
        let bank = self.spare();
        if !self.spare_erased {
            self.erase(flash, bank)?;
        }
        self.spare_erased = false;
        Ok(self.empty::<F>(bank, self.log.as_ref().map_or(0, |log| log.sequence)))
    }

    /// Puts `log` in place of everything there was.
    pub(super) fn replace<F: NorFlash>(&mut self, flash: &mut F, log: Log) -> Result<(), Fault> {
        self.usable()?;
        self.failed = true;
        let generation = self.generation.checked_add(1).ok_or(Fault::Capacity)?;
        Mark { generation, sequence: log.sequence }.write(flash, log.base)?;
        self.generation = generation;
        self.log = Some(log);
        self.tidy(flash)?;
        self.failed = false;
        Ok(())
    }

    /// Copies what counts to the other bank.
    fn compact<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), Fault> {
        let mut fresh = self.begin(flash)?;
        if let Some(log) = &self.log {
            let mut scan = self.empty::<F>(usize::from(log.base != 0), 0);
            while let Some(at) = log.at::<F>(scan.end).filter(|_| scan.end < log.end) {
                let Found::Record { header, committed } = Header::find(flash, at)? else { break };
                if log.counts(&header, scan.end) {
                    fresh.adopt(flash, &header, at)?;
                }
                scan.note::<F>(&header, committed);
            }
        }
        self.replace(flash, fresh)
    }

    /// Erases the bank that is not in use, both if none is, and writes the last mark of the one that is.
    fn tidy<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), Fault> {
        let used = self.log.as_ref().map(|log| log.base);
        for bank in [0, 1] {
            let base = self.base(bank);
            if used != Some(base) && !Words::<F>::erased(flash, base, base.saturating_add(self.bank_len))? {
                self.erase(flash, bank)?;
                self.spare_erased = used.is_some();
            }
        }
        if let Some(base) = used {
            let at = base.saturating_add(self.limit::<F>());
            // a torn one stays as it is
            if Words::<F>::erased(flash, at, at.saturating_add(Words::<F>::MARK_LEN))? {
                Mark { generation: self.generation, sequence: 0 }.write(flash, at)?;
            }
        }
        Ok(())
    }

    fn usable(&self) -> Result<(), Fault> {
        if self.failed { Err(Fault::Flash) } else { Ok(()) }
    }

    /// The bank that is not in use.
    fn spare(&self) -> usize {
        usize::from(self.log.as_ref().is_some_and(|log| log.base == 0))
    }

    fn base(&self, bank: usize) -> usize {
        bank.saturating_mul(self.bank_len)
    }

    /// Where the last mark of a bank is.
    fn limit<F: NorFlash>(&self) -> usize {
        self.bank_len.saturating_sub(Words::<F>::MARK_LEN)
    }

    fn empty<F: NorFlash>(&self, bank: usize, sequence: u32) -> Log {
        Log { base: self.base(bank), end: Words::<F>::MARK_LEN, limit: self.limit::<F>(), sequence, latest: [0; slot::COUNT] }
    }

    fn erase<F: NorFlash>(&self, flash: &mut F, bank: usize) -> Result<(), Fault> {
        let base = self.base(bank);
        Words::<F>::erase(flash, base, base.saturating_add(self.bank_len))
    }
}
