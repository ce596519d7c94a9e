// JSON as Kurento 7.3 (jsoncpp) reads it: comments are skipped, control characters may stand in
// strings, of duplicate keys the last wins, and what follows the first value is ignored.
//
// Throws where Kurento drops the connection: no value, a byte order mark, nesting beyond 1000,
// surrogates without their other half.
const DEEPEST = 1_000;
const ESCAPES = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', '/': '/' };

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  fail(what) {
    throw new SyntaxError(`${what} at ${this.at}`);
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  skip() {
    this.match(/(?:[ \t\r\n]|\/\*[^]*?\*\/|\/\/[^\n]*)*/y);
  }

  take(character) {
    this.skip();
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  value(depth) {
    if (depth > DEEPEST) this.fail('too deep');
    if (this.take('{')) return this.object(depth);
    if (this.take('[')) return this.array(depth);
    if (this.take('"')) return this.string();
    const word = this.match(/true|false|null/y);
    if (word) return JSON.parse(word);
    const number = this.match(/-?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?/y);
    return number === undefined ? this.fail('no value') : Number(number);
  }

  object(depth) {
    const object = {};
    if (this.take('}')) return object;
    do {
      if (!this.take('"')) this.fail('no name');
      const name = this.string();
      if (!this.take(':')) this.fail('no colon');
      const value = this.value(depth + 1);
      Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
    } while (this.take(','));
    return this.take('}') ? object : this.fail('no end of an object');
  }

  array(depth) {
    const array = [];
    if (this.take(']')) return array;
    do array.push(this.value(depth + 1)); while (this.take(','));
    return this.take(']') ? array : this.fail('no end of an array');
  }

  string() {
    let string = '';
    for (;;) {
      string += this.match(/[^"\\]*/y);
      const character = this.text[this.at];
      this.at += 1;
      if (character === '"') break;
      if (character !== '\\') this.fail('no end of a string');
      const kind = this.text[this.at];
      this.at += 1;
      const digits = kind === 'u' ? this.match(/[0-9a-fA-F]{4}/y) : undefined;
      const unescaped = digits ? String.fromCharCode(parseInt(digits, 16)) : ESCAPES[kind];
      string += unescaped ?? this.fail('no such escape');
    }
    return string.isWellFormed() ? string : this.fail('half a surrogate pair');
  }
}

export function parse(text) {
  return new Reader(text).value(1);
}
