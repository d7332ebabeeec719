;; Returns 4 MiB of NUL, each of which is six characters as JSON.
(component
  (core module $m
    (memory (export "memory") 128)
    (data (i32.const 16) "x")
    (func (export "attack") (result i32)
      (i32.store (i32.const 8) (i32.const 4096))
      (i32.store (i32.const 12) (i32.const 4194304))
      (i32.const 8)))
  (core instance $i (instantiate $m))
  (func (export "attack") (result string)
    (canon lift (core func $i "attack") (memory (core memory $i "memory")))))
