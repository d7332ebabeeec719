;; Loops for ever in a start function.
(component
  (core module $m (func $s (loop $l (br $l))) (start $s) (func (export "attack")))
  (core instance $i (instantiate $m))
  (func (export "attack") (canon lift (core func $i "attack"))))
