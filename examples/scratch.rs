use groktime::ridge::*; use groktime::linalg::*; 
fn main(){
 for (iv,m) in [(1.0,2000),(0.01,2000)] { for nu in [1.0,100.0] { for n in [50,100,400] {
  let r=Recipe{features:Features::Relu{input_dim:100,hidden_variance:nu,input_variance:iv},teacher:Teacher::ReluNeuron,width:m,samples:n,..Default::default()};
  let i=r.draw().unwrap(); let s=i.problem().spectrum(Engine::PARALLEL).unwrap();
  let ev=s.eigenvalues(); 
  let d=s.descent(&Settings{weight_decay:1e-5,..Default::default()}).unwrap();
  print!("iv {iv} nu {nu} n {n} smin/n {:.2e} smax/n {:.2e} L(0) {:.4} Ln(0) {:.4} ", ev[0]/n as f64, ev[ev.len()-1]/n as f64, d.test_loss(0).unwrap().value, d.train_loss(0).value);
  for t in [100u64,1000,10000,100000,1000000,10000000] { print!(" {:.2e}/{:.4}", d.train_loss(t).value, d.test_loss(t).unwrap().value);} 
  println!(" lim {:?} {:?} {:?}", d.train_loss_limit(), d.test_loss_limit(), d.times(0.01,0.01));
 }}}
}
