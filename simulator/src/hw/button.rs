//! The touch button, and who touches it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use embedded_hal::digital::{ErrorType, InputPin};

use super::{Led, lock};

/// Who touches the button. All of them look at the light.
pub enum Person {
    /// Touches it whenever the light goes on.
    Eager,
    /// Never touches it.
    Absent,
    /// Answers each time the light goes on: `true` is a touch. When the list is used up, nobody is there any more.
    Scripted(VecDeque<bool>),
    /// Holds it down all the time, whatever the light says; also a button that is stuck.
    Leaning,
    /// Is asked on a terminal, and answers with the Enter key.
    Asked(Dialogue),
}

impl Person {
    /// A person who answers as `answers` say.
    pub fn scripted(answers: impl IntoIterator<Item = bool>) -> Self {
        Self::Scripted(answers.into_iter().collect())
    }

    /// A person who reads `question` and answers each question with a line on `answers`.
    pub fn asked(question: impl Write + Send + 'static, answers: impl io::Read + Send + 'static) -> Self {
        Self::Asked(Dialogue { question: Box::new(question), lines: lines(answers) })
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eager => f.write_str("Eager"),
            Self::Absent => f.write_str("Absent"),
            Self::Scripted(answers) => f.debug_tuple("Scripted").field(answers).finish(),
            Self::Leaning => f.write_str("Leaning"),
            Self::Asked(_) => f.write_str("Asked"),
        }
    }
}

/// A question on a terminal, and the lines that answer it.
pub struct Dialogue {
    question: Box<dyn Write + Send>,
    lines: Receiver<()>,
}

impl fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialogue")
    }
}

impl Dialogue {
    /// Asks. Lines typed before the question are no answer to it.
    fn ask(&mut self) {
        while self.lines.try_recv().is_ok() {}
        let _ = writeln!(self.question, "The token asks for a touch: press Enter.");
        let _ = self.question.flush();
    }

    fn is_answered(&self) -> bool {
        self.lines.try_recv().is_ok()
    }
}

/// Reads lines on a thread of its own, which ends with `answers`: the button itself may never block.
fn lines(answers: impl io::Read + Send + 'static) -> Receiver<()> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut answers = BufReader::new(answers);
        while matches!(answers.skip_until(b'\n'), Ok(1..)) && send.send(()).is_ok() {}
    });
    receive
}

/// A touch button; high while it is touched. Clones are the same button.
///
/// A touch begins only after the light went on and the button was seen untouched once, as a finger would do it.
#[derive(Clone, Debug)]
pub struct Button(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    person: Person,
    led: Led,
    /// Which lighting of the light the person has taken notice of.
    noticed: u32,
    is_touched: bool,
}

impl Button {
    /// A button that `person` touches, looking at `led`.
    #[must_use]
    pub fn new(person: Person, led: &Led) -> Self {
        Self(Arc::new(Mutex::new(State { person, led: led.clone(), noticed: 0, is_touched: false })))
    }

    /// Puts somebody else at the button.
    pub fn set_person(&self, person: Person) {
        let mut state = lock(&self.0);
        state.person = person;
        state.is_touched = false;
    }
}

impl State {
    fn is_high(&mut self) -> bool {
        if matches!(self.person, Person::Leaning) {
            return true;
        }
        if !self.led.is_on() {
            self.is_touched = false;
            return false;
        }
        let lighting = self.led.times_lit();
        if self.noticed != lighting {
            self.noticed = lighting;
            self.is_touched = match &mut self.person {
                Person::Eager | Person::Leaning => true,
                Person::Absent => false,
                Person::Scripted(answers) => answers.pop_front().unwrap_or(false),
                Person::Asked(dialogue) => {
                    dialogue.ask();
                    false
                }
            };
            return false;
        }
        if let Person::Asked(dialogue) = &mut self.person {
            self.is_touched |= dialogue.is_answered();
        }
        self.is_touched
    }
}

impl ErrorType for Button {
    type Error = Infallible;
}

impl InputPin for Button {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(lock(&self.0).is_high())
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        self.is_high().map(|high| !high)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use embedded_hal::digital::OutputPin as _;

    use super::*;

    /// What three looks at the button see while the light is on, and one after.
    fn wait(led: &mut Led, button: &mut Button) -> [bool; 4] {
        let Ok(()) = led.set_high();
        let mut seen = [false; 4];
        for seen in &mut seen[..3] {
            let Ok(high) = button.is_high();
            *seen = high;
        }
        let Ok(()) = led.set_low();
        let Ok(high) = button.is_high();
        seen[3] = high;
        seen
    }

    #[test]
    fn eager_person_touches_after_the_light_and_lets_go_with_it() {
        let mut led = Led::default();
        let mut button = Button::new(Person::Eager, &led);
        for _ in 0..2 {
            assert_eq!(wait(&mut led, &mut button), [false, true, true, false]);
        }
    }

    #[test]
    fn absent_person_does_not_touch_and_a_leaning_one_always_does() {
        let mut led = Led::default();
        let mut button = Button::new(Person::Absent, &led);
        assert_eq!(wait(&mut led, &mut button), [false; 4]);
        button.set_person(Person::Leaning);
        assert_eq!(wait(&mut led, &mut button), [true; 4]);
    }

    #[test]
    fn scripted_person_answers_in_turn() {
        let mut led = Led::default();
        let mut button = Button::new(Person::scripted([true, false, true]), &led);
        let touched = [(); 4].map(|()| wait(&mut led, &mut button)[2]);
        assert_eq!(touched, [true, false, true, false]);
    }

    /// A terminal: what is written comes out of a channel, what is typed goes into one.
    struct Screen(Sender<String>);

    impl Write for Screen {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8(octets.to_vec()).unwrap();
            self.0.send(text).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn asked_person_reads_the_question_and_answers() {
        let (screen, written) = channel();
        let (keyboard, mut typing) = io::pipe().unwrap();
        let mut led = Led::default();
        let mut button = Button::new(Person::asked(Screen(screen), keyboard), &led);
        assert_eq!(wait(&mut led, &mut button), [false; 4]);
        assert!(written.try_iter().collect::<String>().contains("press Enter"));

        let Ok(()) = led.set_high();
        let Ok(false) = button.is_high() else { panic!("touched before the question was answered") };
        typing.write_all(b"\n").unwrap();
        while let Ok(false) = button.is_high() {
            thread::yield_now();
        }
        let Ok(()) = led.set_low();
        assert_eq!(button.is_high(), Ok(false));
    }

    #[test]
    fn end_of_the_answers_is_no_touch() {
        let mut led = Led::default();
        let mut button = Button::new(Person::asked(io::sink(), io::empty()), &led);
        assert_eq!(wait(&mut led, &mut button), [false; 4]);
    }
}
