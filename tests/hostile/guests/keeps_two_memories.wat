;; expect: trapped: wasm `unreachable` instruction executed
;;
;; Keeps two memories, as composed components do: that alone is no reason to refuse it.
(module
  (@custom "chitin-manifest" "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"s\"\n")
  (memory (export "memory") 2)
  (memory 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "audit") (param i32) (result i32) (unreachable))
)
