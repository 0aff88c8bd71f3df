;; expect: fuel limit: 1000000000 allowed, all used
;;
;; Fills its memory again and again: each instruction is much work, and costs as much fuel.
(module
  (@custom "chitin-manifest" "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"s\"\n[[check]]\nid = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"s\"\n")
  (memory (export "memory") 900)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "audit") (param i32) (result i32)
    (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 58000000)) (br 0))
    (unreachable))
)
