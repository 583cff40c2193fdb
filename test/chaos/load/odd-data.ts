/** JSON that must come back exactly: results of jobs, and parameters unless the API refuses them by name. */
export const ODD_JSON: readonly string[] = [
  '{"_bsontype":"ObjectId","id":"x"}',
  '{"_bsontype":"Long","low":1,"high":2}',
  '{"$set":{"a":1},"$where":"1","$":0}',
  '{"a.b":{"c.d":1},".":2,"":3}',
  '{"__proto__":{"isAdmin":true},"constructor":{"prototype":1},"toString":"x","hasOwnProperty":null}',
  '{"big":12345678901234567890,"small":-9007199254740993,"fine":0.1234567890123456789}',
  '{"n":1e400,"m":-1e-400}',
  '{"text":"\\u0000 in a text","lone":"\\ud800","emoji":"😀 字段","control":"\\u0001\\u001f\\u007f\\u2028"}',
  '{"nul\\u0000key":1}',
  `{"deep":${'['.repeat(30)}1${']'.repeat(30)}}`,
  `{"wide":[${Array.from({ length: 2_000 }, (_, i) => i).join(',')}]}`,
  '{"1":"one","0":"zero","length":3,"2":null}',
  '{"date":{"$date":"2026-01-01T00:00:00Z"},"oid":{"$oid":"0123456789abcdef01234567"}}',
  '{"客户":"a","日期":"b"}',
]

/** Shell commands that print results which nobody can keep, and what has to be said of them: 8 MB, nested 6,000 and 181 deep, no JSON, no UTF-8. */
export const HOPELESS_RESULTS: readonly { readonly make: string; readonly reason: RegExp }[] = [
  { make: `printf '"'; head -c 8000000 /dev/zero | tr '\\0' z; printf '"'`, reason: /8,000,002 bytes/ },
  { make: `awk 'BEGIN { for (i = 0; i < 6000; i++) printf "["; for (i = 0; i < 6000; i++) printf "]" }'`, reason: /nested/ },
  { make: `awk 'BEGIN { for (i = 0; i < 181; i++) printf "{\\"a\\":"; printf "1"; for (i = 0; i < 181; i++) printf "}" }'`, reason: /nested/ },
  { make: `printf '{"a":'`, reason: /not JSON/ },
  { make: `printf '"\\377\\376"'`, reason: /not UTF-8/ },
]
