;; Returns sixty million booleans out of 60 MiB; in the host each is a value of many bytes.
(component
  (core module $m
    (memory (export "memory") 960)
    (data (i32.const 1024) "\00\01")
    (func (export "attack") (result i32)
      (i32.store (i32.const 8) (i32.const 1024))
      (i32.store (i32.const 12) (i32.const 60000000))
      (i32.const 8)))
  (core instance $i (instantiate $m))
  (func (export "attack") (result (list bool))
    (canon lift (core func $i "attack") (memory (core memory $i "memory")))))
