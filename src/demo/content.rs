//! Invented shop content: the same number gives the same product, on every machine.

use jiff::ToSpan as _;
use jiff::civil::{DateTime, date};
use serde_json::json;

/// The shops of the sample data: name, host.
pub const RETAILERS: [(&str, &str); 6] = [
    ("marlowe", "www.marlowe-clothing.example"),
    ("aster_row", "asterrow.example"),
    ("field_and_fold", "shop.fieldandfold.example"),
    ("nordlys", "www.nordlys.example"),
    ("pepper_lane", "pepperlane.example"),
    ("westquay", "www.westquay-dresses.example"),
];

/// The categories that the laptop's workflows look through.
pub const CATEGORIES: [&str; 4] = ["dresses", "tops", "skirts", "outerwear"];

const CUTS: [&str; 10] = [
    "Midi",
    "Maxi",
    "Wrap",
    "Tiered",
    "Pleated",
    "A-Line",
    "Smocked",
    "Belted",
    "Oversized",
    "Tailored",
];
const FABRICS: [&str; 10] = [
    "Linen",
    "Cotton",
    "Crêpe",
    "Jersey",
    "Corduroy",
    "Satin",
    "Poplin",
    "Wool-Blend",
    "Viscose",
    "Denim",
];
const COLOURS: [&str; 12] = [
    "Ivory", "Navy", "Sage", "Rust", "Charcoal", "Blush", "Emerald", "Camel", "Plum", "Sky", "Black", "Écru",
];
const KINDS: [&str; 4] = ["Dress", "Blouse", "Skirt", "Coat"];
const PHRASES: [&str; 16] = [
    "Cut from a mid-weight cloth that keeps its shape through the day.",
    "The sleeves end in a buttoned cuff and can be rolled to the elbow.",
    "Two side seam pockets lie flat and hold a phone.",
    "The neckline is high, round and finished with a narrow binding.",
    "Fully lined to the hem; the lining is recycled polyester.",
    "A concealed zip closes the back, with a hook and eye above it.",
    "Our model is 178 cm tall and wears a size 10.",
    "Machine wash at 30° with like colours; dry flat; warm iron.",
    "The waist is shaped with darts and has a detachable belt.",
    "Length from shoulder to hem: 124 cm in a size 10.",
    "Made in Portugal in a family workshop that we have known for years.",
    "The print is drawn by hand and placed so that seams match.",
    "Layer it over a fine knit when it is cold, or wear it alone in summer.",
    "\"The one I reach for every week\", as one of our customers put it.",
    "The hem falls well below the knee and has a small vent at the back.",
    "Free returns within 28 days, unworn and with its labels.",
];

/// A small generator of numbers that look random (an xorshift with a multiplier): for content, never for secrets.
pub struct Dice(u64);

impl Dice {
    /// The same seed rolls the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap_or(0)
    }

    /// One of a list that is not empty.
    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        let index = self.below(u32::try_from(list.len()).unwrap_or(1));
        list.get(index as usize).copied().unwrap_or_default()
    }
}

/// What a scraper would know of one product.
pub struct Product {
    /// Its address at the shop: the key.
    pub url: String,
    /// The shop's name.
    pub retailer: &'static str,
    /// One of [`CATEGORIES`].
    pub category: &'static str,
    /// Its title.
    pub title: String,
    /// Its price.
    pub price: f64,
    /// Some sentences.
    pub description: String,
    /// JSON text: a list of addresses.
    pub image_urls: String,
    /// The shop's article number.
    pub code: String,
}

impl Product {
    /// The product with this number.
    #[must_use]
    pub fn numbered(number: usize) -> Self {
        let mut dice = Dice::new(number as u64 + 1);
        let (retailer, host) = RETAILERS[number % RETAILERS.len()];
        let kind = dice.below(4) as usize;
        let category = CATEGORIES[kind];
        let title = format!(
            "{} {} {} {}",
            dice.pick(&COLOURS),
            dice.pick(&CUTS),
            dice.pick(&FABRICS),
            KINDS[kind]
        );
        let code = format!("{}{:05}", &retailer[..2].to_uppercase(), 10_000 + number * 7);
        let slug: String = title
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '-'
                }
            })
            .collect();
        let url = format!("https://{host}/{category}/{slug}-{code}.html");
        let description = (0..13).map(|_| dice.pick(&PHRASES)).collect::<Vec<_>>().join(" ");
        let images: Vec<String> = (1..=6)
            .map(|view| format!("https://images.{host}/catalogue/{code}/{slug}_{view:02}.jpg?w=1200"))
            .collect();
        Self {
            url,
            retailer,
            category,
            price: f64::from(1900 + 100 * dice.below(180) + 99) / 100.0,
            title,
            description,
            image_urls: json!(images).to_string(),
            code,
        }
    }

    /// The copy of the product that a queue entry carries, as JSON text.
    #[must_use]
    pub fn summary(&self) -> String {
        json!({ "title": self.title, "price": self.price, "product_code": self.code }).to_string()
    }
}

/// A moment of the sample data's past: `minutes` after its beginning.
#[must_use]
pub fn moment(minutes: usize) -> DateTime {
    let minutes = i64::try_from(minutes).unwrap_or(0);
    date(2025, 9, 1).at(6, 0, 0, 0).saturating_add(minutes.minutes())
}

/// A time as the laptop's Python writes it: ISO with T and microseconds, no zone.
#[must_use]
pub fn laptop_time(time: DateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}

/// A time as the site's PHP writes it: `date('Y-m-d H:i:s')`.
#[must_use]
pub fn site_time(time: DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
