;; Returns a text of 20 MiB.
(component
  (core module $m
    (memory (export "memory") 320)
    (data (i32.const 16) "x")
    (func (export "attack") (result i32)
      (i32.store (i32.const 8) (i32.const 0))
      (i32.store (i32.const 12) (i32.const 20971520))
      (i32.const 8)))
  (core instance $i (instantiate $m))
  (func (export "attack") (result string)
    (canon lift (core func $i "attack") (memory (core memory $i "memory")))))
