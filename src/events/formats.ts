const NAME = /^[a-z0-9]+$/;
const NOT_TEXT = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** What CloudEvents allows as the name of an attribute. */
export function isAttributeName(name: string): boolean {
  return NAME.test(name);
}

/** The String type of CloudEvents: no controls, no noncharacters, no half surrogate pairs. */
export function isAttributeText(text: string): boolean {
  return !NOT_TEXT.test(text);
}

const URI_CHARACTERS = /^[\w\-.~:/?#[\]@!$&'()*+,;=%]+$/;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/;

/** RFC 3986 by its characters. Where brackets may stand is not checked: real senders write them in paths. */
export function isUriReference(text: string): boolean {
  if (!URI_CHARACTERS.test(text) || BAD_ESCAPE.test(text)) return false;
  if (text.indexOf("#") !== text.lastIndexOf("#")) return false;
  const [head = ""] = text.split(/[/?#]/, 1);
  return !head.includes(":") || SCHEME.test(text);
}

/** A URI reference that says its scheme. */
export function isAbsoluteUri(text: string): boolean {
  return SCHEME.test(text) && isUriReference(text);
}

const TIMESTAMP =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|[+-](\d{2}):(\d{2}))$/;

/** RFC 3339 to the letter: `Date.parse` takes much that is not, and turns 30 February into 2 March. */
export function isTimestamp(text: string): boolean {
  const match = TIMESTAMP.exec(text);
  if (match === null) return false;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offsetHour = 0, offsetMinute = 0] =
    match.slice(1).map((digits) => Number(digits ?? 0));
  // Day 0 of the next month is the last of this one; years below 100 would be taken for 19xx.
  const daysInMonth = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
  const isDate = month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth;
  const isTime = hour <= 23 && minute <= 59 && second <= 60; // 60 is a leap second
  return isDate && isTime && offsetHour <= 23 && offsetMinute <= 59;
}
