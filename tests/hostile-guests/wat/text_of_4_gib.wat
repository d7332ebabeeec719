;; Returns a text of 4 GiB.
(component
  (core module $m
    (memory (export "memory") 1)
    (data (i32.const 16) "x")
    (func (export "attack") (result i32)
      (i32.store (i32.const 8) (i32.const 0))
      (i32.store (i32.const 12) (i32.const 0xffffffff))
      (i32.const 8)))
  (core instance $i (instantiate $m))
  (func (export "attack") (result string)
    (canon lift (core func $i "attack") (memory (core memory $i "memory")))))
